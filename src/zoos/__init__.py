"""Reads and writes the tables under `profiles/`: a zoo's variants, and how long each takes."""

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
from .places import find_profile, machine_profile_path, shipped_dir, variants_path
from .qualities import load_qualities
from .variants import VariantRow, load_variants, read_variant_rows, write_variants

__all__ = [
    "MAX_BATCH_SIZE",
    "Fingerprint",
    "LatencyFile",
    "LatencyRow",
    "LearnedFile",
    "Method",
    "VariantRow",
    "cpu_fingerprint",
    "cuda_fingerprint",
    "find_profile",
    "learned_file",
    "load_latency_profile",
    "load_qualities",
    "load_variants",
    "machine_profile_path",
    "mode_table",
    "number_gpus_by_place",
    "read_latency_file",
    "read_variant_rows",
    "shipped_dir",
    "variants_path",
    "write_latency_file",
    "write_variants",
]
