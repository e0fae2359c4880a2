package hdf5

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Group maps names to groups and datasets.
type Group struct {
	*Object
	links  []link
	byLink map[string]int
}

// link is an entry of a group.
type link struct {
	name  string
	hard  uint64 // address of the object, or undefined
	soft  string // path of the object
	other string // the kind of any other link
}

// asGroup returns the object as a group.
func (o *Object) asGroup() (*Group, error) {
	if o.group != nil {
		return o.group, nil
	}
	if !o.groupLike {
		return nil, o.f.fail(o, "object header", o.addr, errors.New("not a group"))
	}
	g := &Group{o, nil, map[string]int{}}
	err := g.readLinks()
	if err == nil {
		err = g.index()
	}
	if err != nil {
		o.err = err
		return nil, err
	}
	o.group = g
	return g, nil
}

// index builds byLink.
func (g *Group) index() error {
	for i, l := range g.links {
		what := ""
		if _, double := g.byLink[l.name]; double {
			what = "two links are named %q"
		} else if l.name == "" || l.name == "." || strings.Contains(l.name, "/") {
			what = "invalid link name %q"
		} else if l.other == "" && l.hard == undefined && l.soft == "" {
			what = "link %q has no target"
		}
		if what != "" {
			return g.f.fail(g.Object, "group", g.addr, fmt.Errorf(what, l.name))
		}
		g.byLink[l.name] = i
	}
	return nil
}

// Children returns the group's names in file order; a symbol table is sorted by name.
func (g *Group) Children() []string {
	names := make([]string, len(g.links))
	for i, l := range g.links {
		names[i] = l.name
	}
	return names
}

// Has reports whether the group has a child of that name.
func (g *Group) Has(name string) bool { _, ok := g.byLink[name]; return ok }

// Group returns the group at a path ("model_weights/conv1"), relative to g or, with a leading
// slash, to the root. It follows soft links to datasets. The error wraps fs.ErrNotExist if the path
// does not exist.
func (g *Group) Group(path string) (*Group, error) {
	o, err := g.open(path)
	if err != nil {
		return nil, err
	}
	return o.asGroup()
}

// Dataset returns the dataset at a path, as Group does.
func (g *Group) Dataset(path string) (*Dataset, error) {
	o, err := g.open(path)
	if err != nil {
		return nil, err
	}
	return o.asDataset()
}

// maxSoftLinks is the most soft links that a path may traverse.
const maxSoftLinks = 32

func (g *Group) open(path string) (*Object, error) {
	hops := 0
	return g.follow(path, &hops)
}

// follow opens the object at a path.
func (g *Group) follow(path string, hops *int) (*Object, error) {
	o := g.Object
	// Links to long paths could be followed any number of times.
	if err := g.f.take(o, "group", o.addr, len(path)); err != nil {
		return nil, err
	}
	if strings.HasPrefix(path, "/") {
		o = g.f.root.Object
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." {
			continue
		}
		at, err := o.asGroup()
		if err != nil {
			return nil, err
		}
		i, ok := at.byLink[name]
		if !ok {
			return nil, g.f.fail(o, "group", o.addr, fmt.Errorf("no object %q: %w", name, fs.ErrNotExist))
		}
		switch l := at.links[i]; {
		case l.other != "":
			return nil, g.f.fail(o, "link "+name, o.addr, unsupported(l.other))
		case l.hard != undefined:
			o, err = g.f.object(o, name, l.hard)
		default:
			if *hops++; *hops > maxSoftLinks {
				return nil, g.f.fail(o, "link "+name, o.addr,
					fmt.Errorf("soft links form a cycle or a chain of more than %d", maxSoftLinks))
			}
			if o, err = at.follow(l.soft, hops); err == nil && o.groupLike {
				// As with hard links, a walk through the file must end.
				err = g.f.fail(at.Object, "link "+name, at.addr, unsupported("a soft link to the group "+o.Path()))
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return o, nil
}

// readLinks reads the links from the symbol table or the link messages.
func (g *Group) readLinks() error {
	if m := g.find(msgSymbolTable); m != nil {
		b := g.block(m, "symbol table message")
		tree, heap := b.address(), b.address()
		if b.err != nil {
			return b.err
		}
		return g.readSymbolTable(tree, heap)
	}
	for _, m := range g.messages {
		switch m.kind {
		case msgLinkInfo:
			if err := g.rejectDense(m, "link"); err != nil {
				return err
			}
		case msgLink:
			if err := g.readLink(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// readLink reads a link message.
func (g *Group) readLink(m message) error {
	b := g.block(&m, "link")
	b.version(1, 1)
	flags := b.u8()
	kind := 0
	if flags&0x08 != 0 {
		kind = b.u8()
	}
	if flags&0x04 != 0 {
		b.skip(8) // creation order
	}
	if flags&0x10 != 0 {
		b.skip(1) // character set
	}
	l := link{hard: undefined}
	b.allocate(linkBytes + len(b.data))
	l.name = string(b.take(int(min(b.uint(1<<(flags&3)), uint64(len(b.data))))))
	switch kind {
	case 0:
		l.hard = b.address()
	case 1:
		l.soft = string(b.take(b.u16()))
	default:
		l.other = linkKind(kind)
	}
	g.links = append(g.links, l)
	return b.err
}

func linkKind(kind int) string {
	if kind == 64 {
		return "an external link (to another file)"
	}
	return fmt.Sprintf("a link of kind %d", kind)
}

// readSymbolTable reads the links of an old-style group: a B-tree whose leaves are lists of entries
// with names in a local heap.
func (g *Group) readSymbolTable(tree, heap uint64) error {
	names, err := g.readLocalHeap(heap)
	if err != nil {
		return err
	}
	unused := len(names) // names do not overlap
	name := func(b *block, at uint64) string {
		if at >= uint64(len(names)) {
			b.fail("a name at %d in a heap of %d bytes", at, len(names))
			return ""
		}
		s, _, ended := strings.Cut(names[at:], "\x00")
		if !ended || len(s) >= unused {
			b.fail("the name at %d in the heap is unterminated or overlaps others", at)
			return ""
		}
		unused -= len(s) + 1
		return s
	}
	return g.f.walkTree(g.Object, tree, groupTree, g.f.lengthSize, func(_ *block, leaf uint64) error {
		const part = "symbol table node"
		b, err := g.f.read(g.Object, part, leaf, 8)
		if err != nil {
			return err
		}
		b.expect("SNOD")
		b.version(1, 1)
		b.skip(1)
		n := b.u16()
		if b.err == nil {
			b.err = b.more(n * (2*g.f.offsetSize + 24))
		}
		for range n {
			l := link{name: name(b, b.uint(g.f.offsetSize)), hard: b.address()}
			kind := b.u32()
			b.skip(4)
			b.allocate(linkBytes)
			scratch := &block{f: b.f, o: b.o, part: b.part, addr: b.addr + uint64(b.pos), data: b.take(16)}
			switch {
			case b.err != nil:
				return b.err
			case kind == 2:
				l.hard = undefined
				l.soft = name(scratch, scratch.uint(4))
				if scratch.err != nil {
					return scratch.err
				}
			case kind > 2:
				l.other = fmt.Sprintf("a symbol of kind %d", kind)
			}
			g.links = append(g.links, l)
		}
		return b.err
	})
}

// readLocalHeap returns the data of a local heap.
func (g *Group) readLocalHeap(addr uint64) (string, error) {
	f := g.f
	b, err := f.read(g.Object, "local heap", addr, uint64(8+2*f.lengthSize+f.offsetSize))
	if err != nil {
		return "", err
	}
	b.expect("HEAP")
	b.version(0, 0)
	b.skip(3)
	size := b.length()
	b.length() // free list
	data := b.address()
	if b.err != nil {
		return "", b.err
	}
	b, err = f.read(g.Object, "local heap's data", data, size)
	if err != nil {
		return "", err
	}
	b.allocate(len(b.data))
	return string(b.data), b.err
}
