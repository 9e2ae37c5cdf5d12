"""The service models that the runner and the emulator use: botocore's, without their documentation.

A client of botocore reads its service's model first. Most of a model is documentation, which no client needs, and
botocore also searches the folders of all services for each kind of file. The loaders here do neither.
"""

from .loader import ShortModels, model_loader

__all__ = ["ShortModels", "model_loader"]
