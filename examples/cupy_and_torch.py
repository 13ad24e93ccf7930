"""CuPy and torch on the same memory: nothing is copied on the way from one to the other.

Run on a machine with a GPU, CuPy and torch: ``python examples/cupy_and_torch.py``.
"""

import cupy
import torch

import quicksilver_ext as qs
import quicksilver_ext.arrays as qa

image = cupy.random.standard_normal((1, 1, 64, 64, 64), dtype=cupy.float32)
displacement = torch.full((1, 3, 64, 64, 64), 0.5, device="cuda")

# CuPy to torch: the tensor is a view of the array, and the operator differentiates as ever.
tensor = torch.from_dlpack(image)
assert tensor.data_ptr() == image.data.ptr
warped = qs.warp(tensor, displacement)

# torch to CuPy: the core takes CuPy's arrays, and works on CuPy's current stream.
torch.cuda.current_stream().synchronize()
shift = cupy.from_dlpack(displacement)
assert shift.data.ptr == displacement.data_ptr()
again = qa.warp(image, shift)

cupy.testing.assert_array_equal(again, cupy.from_dlpack(warped))
print("the same result from one memory")
