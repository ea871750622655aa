"""Helpers of run scripts: 16-bit data in 32-bit containers, time stamps, command-line words."""

import json
import os
import struct

import numpy as np


def memcpy_view(arr, dtype):
    """The low part of each 32-bit element as `dtype`: a view, so that writing it fills the container."""
    dtype = np.dtype(dtype)
    if arr.dtype.itemsize != 4:
        raise ValueError(f"memcpy_view needs an array of 32-bit elements, not {arr.dtype}")
    if dtype.itemsize not in (1, 2, 4):
        raise ValueError(f"memcpy_view: {dtype} does not fit a 32-bit element")
    view = arr.view(dtype)
    return view if dtype.itemsize == 4 else view[..., :: 4 // dtype.itemsize]


def input_array_to_u32(np_arr, sentinel, fast_dim_sz):
    """One 32-bit element per value, in C order. With a sentinel the upper half counts modulo `fast_dim_sz`."""
    flat = np.ravel(np_arr)
    if flat.dtype.itemsize == 4:
        return flat.view(np.uint32).copy()
    if flat.dtype.itemsize != 2:
        raise ValueError(f"input_array_to_u32 takes 16-bit or 32-bit elements, not {flat.dtype}")
    words = np.ascontiguousarray(flat).view(np.uint16).astype(np.uint32)
    if sentinel is not None:
        words |= (np.arange(words.size, dtype=np.uint32) % np.uint32(fast_dim_sz)) << np.uint32(16)
    return words


def cast_uint32(value):
    """The 32 bits of a number: 16-bit values zero-extended, floats by their bits."""
    if isinstance(value, np.float16):
        return np.uint32(value.view(np.uint16))
    if isinstance(value, np.int16):
        return np.uint32(value.view(np.uint16))
    if isinstance(value, (float, np.float32, np.float64)):
        return np.uint32(np.float32(value).view(np.uint32))
    return np.uint32(int(value) & 0xFFFFFFFF)


def float_to_hex(value):
    """The bits of a float as a hexadecimal number."""
    return hex(struct.unpack("<I", struct.pack("<f", value))[0])


def make_u48(words):
    """Three 16-bit words, low first."""
    return int(words[0]) + (int(words[1]) << 16) + (int(words[2]) << 32)


def sub_ts(words):
    """End minus start of six 16-bit words: start, then end."""
    return make_u48(words[3:]) - make_u48(words[0:3])


def calculate_cycles(timestamp_buf):
    """End minus start of two 48-bit time stamps packed into three 32-bit words."""
    words = np.ascontiguousarray(timestamp_buf).ravel().view(np.uint16)
    return sub_ts(words[:6])


def get_api_info_dict(compile_dir):
    """What the host may see of a program: bin/out_rpc.json."""
    with open(os.path.join(compile_dir, "bin", "out_rpc.json"), encoding="utf-8") as file:
        return json.load(file)


def check_rpc_api(compile_dir, name):
    """Whether the program exports `name`."""
    return any(e["name"] == name for e in get_api_info_dict(compile_dir)["exports"])
