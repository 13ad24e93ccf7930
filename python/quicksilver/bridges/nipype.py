"""The command `quicksilver register` as an interface of nipype."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    CommandLine,
    CommandLineInputSpec,
    Directory,
    File,
    TraitedSpec,
    traits,
)

from quicksilver.errors import QuicksilverError

OUTPUTS = {
    "warped": "warped.nii.gz",
    "displacement": "displacement.nii.gz",
    "inverse_displacement": "inverse_displacement.nii.gz",
    "affine": "affine.mat",
    "report": "report.html",
    "result": "result.json",
}


def _image(description: str, **metadata: Any) -> Any:
    """Make a trait of an image: a file, or a folder with a series of DICOM."""
    return traits.Either(File(exists=True), Directory(exists=True), desc=description, **metadata)


class RegisterInputSpec(CommandLineInputSpec):
    """Arguments of `quicksilver register`."""

    moving = _image("image that is deformed", argstr="%s", position=0, mandatory=True)
    target = _image("image it is brought to", argstr="%s", position=1, mandatory=True)
    output = Directory(
        "registration", argstr="--output %s", usedefault=True, desc="folder for the results"
    )
    model = traits.Str(argstr="--model %s", desc="model file, or a model that ships")
    device = traits.Str(argstr="--device %s", desc="auto, cpu, cuda or cuda:N")
    refine = traits.Range(low=0, argstr="--refine %d", desc="iterations of LDDMM afterwards")
    strip = traits.Bool(argstr="--strip", desc="strip the skull of whole heads")
    moving_mask = _image("zero where moving is background", argstr="--moving-mask %s")
    target_mask = _image("zero where the target is background", argstr="--target-mask %s")
    initial_affine = File(exists=True, argstr="--initial-affine %s", desc="affine to start from")
    reference = _image("image on whose grid results lie", argstr="--reference %s")


class RegisterOutputSpec(TraitedSpec):
    """Files that `quicksilver register` writes."""

    warped = File(exists=True, desc="moving image on the target's grid")
    displacement = File(exists=True, desc="whole map that warps moving images, as ITK reads it")
    inverse_displacement = File(exists=True, desc="whole map that warps target images back")
    affine = File(exists=True, desc="affine part alone, as ITK reads it")
    report = File(exists=True, desc="page of pictures and numbers")
    result = File(exists=True, desc="numbers and settings, JSON")


class Register(CommandLine):
    """Register two brains by prediction; the arguments are those of `quicksilver register`.

    Example:
        >>> node = Register(output="OUT", refine=10, strip=True)
        >>> node.inputs.moving, node.inputs.target = "a.nii.gz", "b.nii.gz"  # doctest: +SKIP
        >>> node.run().outputs.warped  # doctest: +SKIP
    """

    _cmd = "quicksilver register"
    input_spec = RegisterInputSpec
    output_spec = RegisterOutputSpec

    def _post_run_hook(self, runtime: Any) -> Any:
        if runtime.returncode:  # otherwise nipype would speak of missing files alone
            raise QuicksilverError(_find_sentence(runtime))
        return super()._post_run_hook(runtime)

    def _list_outputs(self) -> dict[str, str]:
        folder = Path(self.inputs.output).absolute()
        return {name: str(folder / file) for name, file in OUTPUTS.items()}


def _find_sentence(runtime: Any) -> str:
    """Return what a command that failed said last, or its exit code if it said nothing."""
    lines = (runtime.stderr or "").splitlines()
    nothing = f"expected a registration, found exit code {runtime.returncode}; run it in a terminal"
    return lines[-1] if lines else nothing
