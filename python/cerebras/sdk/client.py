"""Appliance mode runs programs on a remote cluster through its scheduler. Ingot has none: the names exist so that scripts can be
imported, and say what to use instead."""


def _refuse(name):
    raise RuntimeError(
        f"{name} needs an appliance; Ingot simulates on this machine. "
        "Compile with cslc and run the script that uses cerebras.sdk.runtime.sdkruntimepybind (usually run.py)"
    )


class SdkCompiler:  # pylint: disable=too-few-public-methods
    """Remote compilation."""

    def __init__(self, *_, **__):
        _refuse("SdkCompiler")


class SdkRuntime:  # pylint: disable=too-few-public-methods
    """Remote runs."""

    def __init__(self, *_, **__):
        _refuse("cerebras.sdk.client.SdkRuntime")


class SdkLauncher:  # pylint: disable=too-few-public-methods
    """Remote scripts."""

    def __init__(self, *_, **__):
        _refuse("SdkLauncher")


def sdk_utils(*_, **__):
    """Remote helpers."""
    _refuse("cerebras.sdk.client.sdk_utils")
