"""Everything that auto decides."""
