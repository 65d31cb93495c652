"""What all tests share."""

import paribus.torchvision_ops  # noqa: F401 - before anything imports lightning
