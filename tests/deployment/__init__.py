"""The deployment, run: image, compose, chart and units. `make deployment` runs it all."""
