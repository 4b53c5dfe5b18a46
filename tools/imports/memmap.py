"""Frozen graphs for mapping into memory; runs where TensorFlow 1.15 is, and knows nothing of asr.

    python memmap.py MODEL.pb OUT.pbmm

It writes what TensorFlow's convert_graphdef_memmapped_format writes, which packages for Python do not have.
"""

import re
import struct
import sys
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.python.framework import tensor_util

_PREFIX = "memmapped_package://"
_LEAST, _ALIGNMENT = 1000, 64  # bytes


def encode_directory(parts: "list[tuple[int, str, int]]") -> bytes:
    """Encode the offset (field 1), name (2) and size (3) of each part as MemmappedFileSystemDirectory."""
    content = b""
    for offset, name, size in parts:
        element = b"\x12" + varint(len(name)) + name.encode() + b"\x18" + varint(size)
        if offset:
            element = b"\x08" + varint(offset) + element
        content += b"\x0a" + varint(len(element)) + element
    return content


def varint(value: int) -> bytes:
    content = b""
    while value > 127:
        content += bytes([value & 127 | 128])
        value >>= 7
    return content + bytes([value])


def main() -> None:
    source, output = sys.argv[1:]
    graph, content, parts = tf.GraphDef(), bytearray(), []
    graph.ParseFromString(Path(source).read_bytes())
    for node in graph.node:
        if node.op != "Const" or node.attr["value"].tensor.dtype == types_pb2.DT_STRING:
            continue
        array = tensor_util.MakeNdarray(node.attr["value"].tensor)
        if array.nbytes < _LEAST:
            continue
        dtype, name = node.attr["value"].tensor.dtype, _PREFIX + re.sub("[^A-Za-z0-9_.]", "_", node.name)
        content += bytes(-len(content) % _ALIGNMENT)
        parts.append((len(content), name, array.nbytes))
        content += array.tobytes()
        node.op = "ImmutableConst"
        node.attr.clear()
        node.attr["dtype"].type = dtype
        node.attr["shape"].shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
        node.attr["memory_region_name"].s = name.encode()
    encoded = graph.SerializeToString()
    parts.append((len(content), _PREFIX + ".", len(encoded)))
    start = len(content) + len(encoded)
    Path(output).write_bytes(bytes(content) + encoded + encode_directory(parts) + struct.pack("<Q", start))


main()
