"""Puts the runtime's functions where CuPy's compiled modules look for CUDA.

CuPy reaches CUDA through two Cython modules, ``cupy_backends.cuda.api.runtime`` and
``.driver``. Other compiled modules take the addresses of their functions from the
capsules in ``__pyx_capi__`` when they are imported; Python code takes the functions
from the modules. Both are replaced, for each function that the runtime library has
under the module's name and the function's, such as ``runtime_malloc``. A function it
does not have stays CuPy's own and fails, as without a driver, with
cudaErrorInsufficientDriver.
"""

import ctypes
import importlib
import re
from types import ModuleType

SIGNATURE = re.compile(r"(?P<result>.+?) ?\((?P<arguments>.*)\)")
TYPES = {
    "PyObject *": ctypes.py_object,
    "float": ctypes.c_float,
    "int": ctypes.c_int,
    "cudaMemcpyKind": ctypes.c_int,
    "unsigned int": ctypes.c_uint,
    "intptr_t": ctypes.c_ssize_t,
    "size_t": ctypes.c_size_t,
}

_new = ctypes.pythonapi.PyCapsule_New
_new.restype = ctypes.py_object
_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_name = ctypes.pythonapi.PyCapsule_GetName
_name.restype = ctypes.c_char_p
_name.argtypes = [ctypes.py_object]

_kept = []  # a capsule does not own its name


def replace(module_name: str, library: ctypes.PyDLL) -> ModuleType:
    """Replace the functions of one module and return it."""
    module = importlib.import_module(module_name)
    prefix = module_name.rpartition(".")[2]
    for name, capsule in list(module.__pyx_capi__.items()):
        try:
            function = library[f"{prefix}_{name}"]
        except AttributeError:
            continue
        signature = _name(capsule)
        address = ctypes.cast(function, ctypes.c_void_p).value
        _kept.append(signature)
        module.__pyx_capi__[name] = _new(address, signature, None)
        if hasattr(module, name):
            setattr(module, name, _python_function(name, address, signature.decode()))
    return module


def _python_function(name: str, address: int, signature: str):
    match = SIGNATURE.fullmatch(signature)
    arguments = [part.strip() for part in match["arguments"].split(",")]
    # Cython appends a flag and, for arguments with defaults, a pointer to those given.
    own = [part for part in arguments if "__pyx" not in part and part != "void"]
    types = [TYPES[part] for part in own]
    result = TYPES.get(match["result"], ctypes.py_object)
    prototype = ctypes.PYFUNCTYPE(result, *types, ctypes.c_int, ctypes.c_void_p)
    call = prototype(address)

    def function(*values):
        return call(*values[: len(types)], 0, None)

    function.__name__ = name
    return function
