"""Container images of the parts: what to build, whether it has changed, where it goes. Over the docker command."""
