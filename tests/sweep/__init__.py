"""Sites and replay on networks of torchvision and timm: `python -m sweep`."""
