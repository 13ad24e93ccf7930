"""Instructions of kernels, counted in what cuobjdump prints."""

from __future__ import annotations

from benchmarks.instructions import Counts, count

CODE = """
	code for sm_90
		Function : _Z5firstv
	.headerflags	@"EF_CUDA_SM90"
        /*0000*/                   LDC R1, c[0x0][0x28] ;              /* 0x00000a00ff017b82 */
                                                                       /* 0x000fe20000000800 */
        /*0010*/              @!P0 LDG.E.CONSTANT R2, desc[UR4][R2.64] ;  /* 0x0000000402027981 */
        /*0020*/                   LDS.64 R4, [R4] ;                   /* 0x0000000004047984 */
        /*0030*/             @!UP1 UIADD3 UR6, UR6, 0x1, URZ ;         /* 0x0000000106069890 */
        /*0040*/                   FFMA R2, R2, R4, R5 ;               /* 0x0000000402027223 */
        /*0050*/              @P2  FMUL.FTZ R2, R2, R4 ;               /* 0x0000000402022220 */
        /*0060*/                   STS.64 [R6], R2 ;                   /* 0x0000000206007388 */
        /*0070*/                   STG.E desc[UR4][R8.64], R2 ;        /* 0x0000000208007986 */
        /*0080*/                   REDG.E.ADD.F32.FTZ.RN.STRONG.GPU desc[UR4][R8.64], R2 ;
        /*0090*/                   EXIT ;                              /* 0x000000000000794d */
        /*00a0*/                   BRA 0xa0;                           /* 0xfffffffc00fc7947 */
        /*00b0*/                   NOP;                                /* 0x0000000000007918 */
		Function : _Z6secondv
        /*0000*/                   EXIT ;                              /* 0x000000000000794d */
"""


def test_count():
    assert count(CODE) == {
        "_Z5firstv": Counts(11, 1, 2, 1, 1, 2),
        "_Z6secondv": Counts(1, 0, 0, 0, 0, 0),
    }
