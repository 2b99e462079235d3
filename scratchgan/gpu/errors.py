"""What CUDA's libraries raise, in words for users."""

from scratchgan.errors import DeviceError


def gpu_error_in_words(error: BaseException) -> str | None:
    """Return one line on an error of CUDA or of its use; None if it is another.

    CuPy has a class of errors for each of CUDA's libraries, all in one package.
    """
    if isinstance(error, DeviceError):
        return str(error)
    if not type(error).__module__.startswith("cupy_backends.cuda."):
        return None
    words = " ".join(str(error).split())
    return (
        f"CUDA answers {words}; scratchgan doctor --device gpu says whether the GPU "
        "works at all"
    )
