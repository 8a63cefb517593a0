"""Bringing a model up: what must be installed, where it runs."""

from __future__ import annotations

from constitutional.errors import MissingExtraError, ModelUnavailableError
from constitutional.models.local.there import told_by_hub


def prepare_transformers(name: str) -> None:
    """Import what a model that runs in this process needs, or say what is missing; no bars are drawn while it loads."""
    try:
        import torch  # noqa: F401
        from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401
        from transformers.utils.logging import disable_progress_bar
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers"):
            raise ModelUnavailableError(f"{name}: transformers cannot be imported: {error}") from error
        raise MissingExtraError.naming(error.name, "transformers") from error
    disable_progress_bar()


def why_not_loaded(error: Exception, path: str, revision: str | None) -> str:
    return told_by_hub(error, path, revision) or f"transformers cannot load it: {in_one_line(error)}"


def placed(device: str | None, dtype: str) -> tuple[str, str]:
    """Where a model runs and with which numbers: on the CPU ``auto`` is float32."""
    import torch

    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return where, "float32" if dtype == "auto" and where == "cpu" else dtype


def in_one_line(error: Exception) -> str:
    """Libraries explain at length; the whole text stays in the traceback's cause."""
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else text[:400] + " …"
