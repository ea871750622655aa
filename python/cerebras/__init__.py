"""Names of the vendor's Python packages, served by Ingot."""
