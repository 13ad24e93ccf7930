"""Options: each is written once, and shown by Python's help and by the command line."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
import typer

import quicksilver
from quicksilver.cli import app
from quicksilver.lddmm.lbfgs import FixedStep
from quicksilver.lddmm.losses import LNCC, SSD
from quicksilver.lddmm.matching import FitSettings
from quicksilver.registration import options as options_module
from quicksilver.registration.fit_options import FitOptions
from quicksilver.registration.optimise import fit_settings
from quicksilver.registration.options import Options

CALLS = [(quicksilver.register, Options), (quicksilver.fit, FitOptions)]


@pytest.mark.parametrize(("call", "options"), CALLS, ids=["register", "fit"])
def test_every_option_is_a_keyword_with_its_default_and_a_sentence(call, options):
    parameters = inspect.signature(call).parameters
    assert list(parameters)[:2] == ["moving", "target"]
    for field in dataclasses.fields(options):
        assert parameters[field.name].default == field.default
        assert f"\n    {field.name}: " in inspect.getdoc(call)


@pytest.mark.parametrize(("call", "options"), CALLS, ids=["register", "fit"])
def test_every_option_that_is_shown_is_one_of_the_command(call, options):
    command = typer.main.get_command(app).commands[call.__name__]
    known = {parameter.name: parameter for parameter in command.params}
    for field in dataclasses.fields(options):
        if field.metadata:
            assert known[field.name].help == field.metadata["help"]
            assert known[field.name].default == field.default


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="refinement"):
        quicksilver.register("moving.nii.gz", "target.nii.gz", refinement=3)


def test_the_settings_of_a_fit_follow_from_its_options():
    assert fit_settings(FitOptions()) == FitSettings()
    assert fit_settings(FitOptions(loss="ssd", steps=4)).loss == SSD()
    assert fit_settings(FitOptions(sigma=0.5, window=7)).loss == LNCC(7, 0.5)
    original = fit_settings(FitOptions(method="quicksilver"))
    assert original.descent is FixedStep
    assert original.iterations == (50,)
    assert original.loss == SSD(0.2)
    assert fit_settings(FitOptions(step_size=0.1)).step_size == 0.1
    given = FitSettings(steps=3)
    assert fit_settings(FitOptions(settings=given, steps=7)) is given


def test_options_of_a_fit_are_still_found_where_they_were():
    with pytest.warns(DeprecationWarning, match="is now in quicksilver.registration.fit_options"):
        found = options_module.FitOptions
    assert found is FitOptions
    assert not hasattr(options_module, "Nothing")
