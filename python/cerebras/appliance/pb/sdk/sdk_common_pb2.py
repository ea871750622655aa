"""The enumerations of appliance scripts; equal to those of sdkruntimepybind."""

from cerebras.sdk.runtime.sdkruntimepybind import MemcpyDataType, MemcpyOrder, SdkTarget

__all__ = ["MemcpyDataType", "MemcpyOrder", "SdkTarget"]
