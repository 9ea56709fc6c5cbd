"""The frames of the producer, as api/contract.mts has them. Were they not the same, reading would
fail with LayoutError and say where they differ."""

from ctypes import Structure, c_char, c_double, c_float, c_int32, c_uint16, c_uint32, c_uint64

OBJECTS_MAX = 50
PATH_MAX = 7
SNAPSHOTS = 5


def floats(*names):
    return [(name, c_float) for name in names]


class Detection(Structure):
    _fields_ = [
        ("id", c_uint32),
        ("label", c_char * 16),
        *floats("confidence", "x", "y", "z", "length", "width", "height", "heading"),
        *floats("velocityX", "velocityY", "varianceX", "varianceY", "varianceZ"),
        *floats("distance", "bearing"),
        *[(edge, c_uint16) for edge in ("left", "top", "right", "bottom")],
        ("seenAt", c_double),
    ]


class Point(Structure):
    _fields_ = floats("x", "y")


class Track(Structure):
    _fields_ = [
        ("id", c_uint32),
        ("age", c_uint32),
        ("label", c_char * 16),
        ("state", c_char * 12),
        *floats("x", "y", "z", "velocityX", "velocityY", "velocityZ"),
        *floats("accelerationX", "accelerationY", "heading", "turnRate"),
        *floats("length", "width", "height", "confidence"),
        ("hits", c_uint16),
        ("misses", c_uint16),
        ("path_count", c_uint32),
        ("path", Point * PATH_MAX),
        *floats("priority"),
    ]


class Prediction(Structure):
    _fields_ = [
        ("id", c_uint32),
        ("label", c_char * 16),
        *floats("x", "y", "z", "velocityX", "velocityY", "velocityZ", "heading", "probability"),
        *floats("spreadMajor", "spreadMinor", "spreadAngle", "risk", "timeToContact"),
        ("lane", c_int32),
        ("flags", c_uint32),
    ]


class Snapshot(Structure):
    _fields_ = [
        ("aheadMs", c_double),
        ("objects_count", c_uint32),
        ("objects", Prediction * OBJECTS_MAX),
    ]


#: What all frames begin with.
HEAD = [("frameId", c_uint64), ("timestamp", c_double)]


class Detections(Structure):
    _fields_ = [*HEAD, ("objects_count", c_uint32), ("objects", Detection * OBJECTS_MAX)]


class Tracks(Structure):
    _fields_ = [*HEAD, ("objects_count", c_uint32), ("objects", Track * OBJECTS_MAX)]


class Timelines(Structure):
    _fields_ = [*HEAD, ("snapshots_count", c_uint32), ("snapshots", Snapshot * SNAPSHOTS)]
