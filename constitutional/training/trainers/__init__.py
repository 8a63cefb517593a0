"""The only modules that import torch and TRL at their head. They are imported when a training begins, never before."""
