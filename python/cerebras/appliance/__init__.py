"""Appliance mode: names only, see cerebras.sdk.client."""
