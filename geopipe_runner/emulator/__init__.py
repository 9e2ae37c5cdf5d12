"""An endpoint that answers as AWS does for everything one SageMaker pipeline needs, offline, on loopback.

The rest of the project knows it only as a URL. It imports nothing else of `geopipe_runner`.
"""
