"""The inner loop: `make dev` builds, deploys, forwards ports, shows logs and takes up changes until interrupted."""
