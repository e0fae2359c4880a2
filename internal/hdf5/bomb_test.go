package hdf5

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// TestBombs reads a chunk that expands without end.
func TestBombs(t *testing.T) {
	good := goodFiles(t)["v1.h5"]
	// Deflated zeros in place of the first chunk of one dataset.
	var bomb bytes.Buffer
	w, _ := zlib.NewWriterLevel(&bomb, 9)
	w.Write(make([]byte, 50<<20))
	w.Close()
	f := open(t, good)
	d, err := f.Root().Dataset("layouts/deflate")
	if err != nil {
		t.Fatal(err)
	}
	k := d.chunks.index[0]
	data := slices.Concat(good, bomb.Bytes())
	binary.LittleEndian.PutUint64(data[40:], uint64(len(data)))
	// The B-tree's entry: size and mask, the offsets, which are 0, then the address.
	old := binary.LittleEndian.AppendUint64(appendUint(appendUint(nil, 4, uint64(k.stored)), 4, 0), 0)
	old = append(append(old, make([]byte, 24)...), binary.LittleEndian.AppendUint64(nil, k.addr)...)
	at := bytes.Index(data, old)
	if at < 0 {
		t.Fatal("no such chunk")
	}
	binary.LittleEndian.PutUint32(data[at:], uint32(bomb.Len()))
	binary.LittleEndian.PutUint64(data[at+len(old)-8:], uint64(len(good)))
	errs := judge(t, data, func() string { return "a chunk that grows without end" })
	want := "deflate expands it to more than the 124 bytes of a chunk"
	if !slices.ContainsFunc(errs, func(err error) bool { return strings.Contains(err.Error(), want) }) {
		t.Errorf("errors %v, none is %s", errs, want)
	}
}

// TestCycles reads groups that contain themselves, and headers that continue in themselves.
func TestCycles(t *testing.T) {
	tree := NewTree()
	tree.Group("a/b")
	good := write(t, tree)
	f := open(t, good)
	a, _ := f.Root().Group("a")
	b, _ := f.Root().Group("a/b")
	set := func(old, addr uint64) []byte {
		data := slices.Clone(good)
		p := bytes.LastIndex(data, binary.LittleEndian.AppendUint64(nil, old))
		binary.LittleEndian.PutUint64(data[p:], addr)
		return data
	}
	for want, data := range map[string][]byte{
		"a hard link to the group /a is not supported": set(b.addr, a.addr),
		"a hard link to the group / is not supported":  set(b.addr, f.Root().addr),
	} {
		errs := judge(t, data, func() string { return want })
		if len(errs) != 1 || !strings.HasSuffix(errs[0].Error(), want) {
			t.Errorf("errors %v, want %s", errs, want)
		}
	}
	// A B-tree node of level 1 whose child is itself, and a header that continues in itself.
	data := slices.Clone(good)
	node := bytes.Index(data, []byte("TREE"))
	for node >= 0 && binary.LittleEndian.Uint16(data[node+6:]) == 0 {
		node += 4 + bytes.Index(data[node+4:], []byte("TREE"))
	}
	data[node+5] = 1
	binary.LittleEndian.PutUint64(data[node+32:], uint64(node))
	data2 := slices.Clone(good)
	h := int(b.addr)
	data2[h+16] = msgContinuation
	binary.LittleEndian.PutUint64(data2[h+24:], uint64(h+16))
	binary.LittleEndian.PutUint64(data2[h+32:], 24)
	for _, data := range [][]byte{data, data2} {
		errs := judge(t, data, func() string { return "a cycle" })
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), ": a cycle") {
			t.Errorf("errors %v, want a cycle", errs)
		}
	}
}
