"""Zoos as folders: their networks, how accurate each variant is, and how long it takes."""

from .fingerprint import Fingerprint, cpu_fingerprint, cuda_fingerprint
from .gpus import number_gpus_by_place
from .latency import (
    MAX_BATCH_SIZE,
    LatencyFile,
    LatencyRow,
    Method,
    load_latency_profile,
    mode_table,
    read_latency_file,
    write_latency_file,
)
from .learned import LearnedFile, learned_file
from .opened import (
    OpenedZoo,
    WeightsError,
    is_folder,
    onnx_runtimes,
    open_zoo,
    user_zoos_dir,
    zoo_beside,
    zoo_folders,
)
from .places import find_profile, machine_profile_path
from .power import modes_of, power_table
from .qualities import load_qualities
from .served_copy import ServedCopy, copy_zoo, zoo_files
from .usual import AUTO, usual_zoo
from .variants import Metric, VariantRow, load_variants, read_variant_rows, write_variants
from .zoo_file import ZOO_FILE, read_zoo_file, write_zoo_file

__all__ = [
    "AUTO",
    "MAX_BATCH_SIZE",
    "ZOO_FILE",
    "Fingerprint",
    "LatencyFile",
    "LatencyRow",
    "LearnedFile",
    "Method",
    "Metric",
    "OpenedZoo",
    "ServedCopy",
    "VariantRow",
    "WeightsError",
    "copy_zoo",
    "cpu_fingerprint",
    "cuda_fingerprint",
    "find_profile",
    "is_folder",
    "learned_file",
    "load_latency_profile",
    "load_qualities",
    "load_variants",
    "machine_profile_path",
    "mode_table",
    "modes_of",
    "number_gpus_by_place",
    "onnx_runtimes",
    "open_zoo",
    "power_table",
    "read_latency_file",
    "read_variant_rows",
    "read_zoo_file",
    "user_zoos_dir",
    "usual_zoo",
    "write_latency_file",
    "write_variants",
    "write_zoo_file",
    "zoo_beside",
    "zoo_files",
    "zoo_folders",
]
