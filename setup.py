"""Builds the C core; everything else is in pyproject.toml."""

from setuptools import setup

setup(
    cffi_modules=["native/build.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},  # abi3: one wheel for 3.11 and later
)
