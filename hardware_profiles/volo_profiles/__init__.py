"""Hardware profiles: TOML files, one an amplifier, read by `volo_acquisition.profiles`. Data only."""

__all__: list[str] = []
