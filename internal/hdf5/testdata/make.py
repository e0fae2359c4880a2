"""Makes the files of this folder, with h5py: make.py. The tests know what is in them."""
import h5py
import numpy as np

TYPES = "<f2 >f2 <f4 >f4 <f8 >f8 i1 u1 <i2 >i2 <u2 >u2 <i4 >i4 <u4 >u4 <i8 >i8 <u8 >u8".split()


def name(t):
    return t.replace("<", "little_").replace(">", "big_")


# What is read: types, layouts, filters, links, and in two forms of file.
for file, version, block in ("v1.h5", None, 0), ("v2.h5", ("v108", "v108"), 1024):
    with h5py.File(file, "w", libver=version, userblock_size=block) as f:
        t = f.create_group("types")
        for i, part in enumerate((TYPES[:7], TYPES[7:14], TYPES[14:])):  # at most 8 links are compact
            g = t.create_group(f"part{i}")
            for k in part:
                g[name(k)] = np.array([1, 100, 0], k)
                g.attrs.create(name(k), np.array([1, 100, 0], k))
        g = f.create_group("edges")
        g["half"] = np.array([0.0, -0.0, 65504, -6e-8, 6.1e-5, np.inf, -np.inf, 0.1], "f2")
        g["minus"] = np.array([-1], "i1")
        g["unsigned"] = np.array([255], "u1")
        g["large"] = np.array([2**64 - 2**40], "u8")
        g.attrs["matrix"] = np.array([[1, 2], [3, 4]])
        g.attrs["scalar"] = 1.5
        g.attrs["null"] = h5py.Empty("f4")
        g.attrs["texts"] = np.array(["x", "yé", ""], h5py.string_dtype())
        g.attrs["fixed"] = np.array([b"ab", b"c"])
        t = h5py.h5t.C_S1.copy()
        for k, pad in ("null_ended", h5py.h5t.STR_NULLTERM), ("spaces", h5py.h5t.STR_SPACEPAD):
            t.set_size(4)
            t.set_strpad(pad)
            h5py.h5a.create(g.id, k.encode(), t, h5py.h5s.create(h5py.h5s.SCALAR)).write(np.array(b"ab", "S4"))
        g = f.create_group("layouts")
        x = np.arange(11 * 7 * 3, dtype="f4").reshape(11, 7, 3)
        g.create_dataset("chunks", data=x, chunks=(4, 7, 2))
        g.create_dataset("deflate", data=x, chunks=(5, 3, 2), compression="gzip")
        g.create_dataset("all", data=x.astype(">f8"), chunks=(5, 3, 2), compression="gzip", shuffle=True, fletcher32=True)
        g.create_dataset("fletcher", data=np.arange(15, dtype="u1"), chunks=(5,), fletcher32=True)
        g.create_dataset("many", data=np.arange(300, dtype="i2"), chunks=(4,))
        g.create_dataset("empty", shape=(0, 4), dtype="f4")
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        h5py.h5d.create(g.id, b"compact", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((2, 2)), plist).write(
            h5py.h5s.ALL, h5py.h5s.ALL, np.array([[1, 2], [3, 4]], "f4"))
        d = g.create_dataset("unfiltered", shape=(4,), dtype="f4", chunks=(2,), compression="gzip", shuffle=True)
        for i in 0, 2:  # stored as it is: the mask says that both filters were passed over
            d.id.write_direct_chunk((i,), np.array([i, i + 1], "f4").tobytes(), filter_mask=3)
        g = f.create_group("links")
        g["scalar"] = np.float32(3)
        g["hard"] = g["scalar"]
        g["soft"] = h5py.SoftLink("/links/scalar")
        g["inner/scalar"] = np.float32(4)
        g["relative"] = h5py.SoftLink("inner/./scalar")
        g = f.create_group("refused")  # by name, one by one
        a = g.create_group("links")
        a["outside"] = h5py.ExternalLink("other.h5", "/x")
        a["hard"] = g
        a["soft"] = h5py.SoftLink("/links")
        a["itself"] = h5py.SoftLink("itself")
        a["nowhere"] = h5py.SoftLink("/not/here")
        g = f.create_group("refused/data")
        g.create_dataset("lzf", data=np.zeros(10), chunks=(5,), compression="lzf")
        g.create_dataset("never", shape=(10,), dtype="f4")
        g.create_dataset("never_chunked", shape=(10,), dtype="f4", chunks=(5,))
        d = g.create_dataset("partly", shape=(10,), dtype="f4", chunks=(5,))
        d[7] = 1
        g["bool"] = np.array([True, False])
        g["texts"] = ["a", "b"]
        g["complex"] = np.array([1j])
        f["type"] = np.dtype("f4")
        g = f.create_group("refused/more")
        h5py.h5d.create(g.id, b"shared", f["type"].id, h5py.h5s.create_simple((3,)))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_external(b"other.bin", 0, 12)
        h5py.h5d.create(g.id, b"external", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3,)), plist)
        g.attrs["bool"] = True
        if version:
            a = g.create_group("dense_attributes")
            for i in range(9):
                a.attrs[f"a{i}"] = i
            a = g.create_group("dense_links")
            for i in range(9):
                a[f"a{i}"] = i

# Links and attributes in the order of their making, and headers in several pieces.
with h5py.File("tracked.h5", "w", libver=("v108", "v108"), track_order=True) as f:
    for k in "zebra", "ape", "mouse":
        f[k] = np.float32(len(k))
    for i in range(7):
        f.attrs[f"note{7 - i}"] = "text " * (10 * i + 1)

# A little of everything, for damage to every byte.
for file, version in ("small1.h5", None), ("small2.h5", ("v108", "v108")):
    with h5py.File(file, "w", libver=version) as f:
        f.attrs["text"] = "text"
        f.attrs["numbers"] = np.array([1, 2])
        f.create_dataset("a/chunks", data=np.arange(12, dtype=">f2").reshape(4, 3), chunks=(2, 2), compression="gzip",
                         shuffle=True, fletcher32=True)
        f["a/soft"] = h5py.SoftLink("chunks")
