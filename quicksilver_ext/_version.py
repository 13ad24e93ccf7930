"""The one place the version is written; setup.py and CMakeLists.txt read it from here."""

__version__ = "0.2.0"
