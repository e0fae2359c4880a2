package hdf5

import "fmt"

// Object is the common part of groups and datasets: a path and attributes.
type Object struct {
	f      *File
	parent *Object // nil of the root
	name   string
	depth  int
	addr   uint64
	err    error // from reading it

	messages   []message
	attributes []attribute
	byName     map[string]int // of attributes
	groupLike  bool           // has messages that only groups have
	group      *Group
	dataset    *Dataset
}

// maxDepth is the deepest nesting of groups.
const maxDepth = 100

// Path returns the object's path: "/model_weights/block1_conv1".
func (o *Object) Path() string {
	if o.parent == nil {
		return "/"
	}
	if o.parent.parent == nil {
		return "/" + o.name
	}
	return o.parent.Path() + "/" + o.name
}

// message is one message of an object header.
type message struct {
	kind  int
	flags int
	addr  uint64
	data  []byte
}

// The kinds of messages that are read or rejected.
const (
	msgDataspace     = 0x01
	msgLinkInfo      = 0x02
	msgDatatype      = 0x03
	msgFillValue     = 0x05
	msgLink          = 0x06
	msgExternalFiles = 0x07
	msgLayout        = 0x08
	msgFilters       = 0x0b
	msgAttribute     = 0x0c
	msgContinuation  = 0x10
	msgSymbolTable   = 0x11
	msgAttributeInfo = 0x15
	msgLast          = 0x18 // the specification's last kind
)

// flagShared marks a message stored in another object; flagMustKnow one that readers must know.
const (
	flagShared   = 0x02
	flagMustKnow = 0x80
)

// object returns the object at an address, the target of parent's link of that name. It is read
// once.
func (f *File) object(parent *Object, name string, addr uint64) (*Object, error) {
	if o, ok := f.objects[addr]; ok {
		// A group with two paths would make a walk through the file endless, or nearly so.
		if o.err == nil && o.groupLike && (o.parent != parent || o.name != name) {
			return nil, f.fail(parent, "link "+name, addr, unsupported("a hard link to the group "+o.Path()))
		}
		return o, o.err
	}
	if err := f.take(parent, "link "+name, addr, objectBytes); err != nil {
		return nil, err
	}
	o := &Object{f: f, parent: parent, name: name, addr: addr}
	f.objects[addr] = o
	if parent != nil {
		o.depth = parent.depth + 1
	}
	if o.depth > maxDepth {
		o.err = f.fail(o, "object header", addr, unsupported(fmt.Sprintf("nesting of more than %d groups", maxDepth)))
	} else {
		o.err = o.readHeader()
	}
	return o, o.err
}

// find returns the first message of a kind, or nil.
func (o *Object) find(kind int) *message {
	for i := range o.messages {
		if o.messages[i].kind == kind {
			return &o.messages[i]
		}
	}
	return nil
}

// block returns a message's contents.
func (o *Object) block(m *message, part string) *block {
	b := &block{f: o.f, o: o, part: part, addr: m.addr, data: m.data}
	if m.flags&flagShared != 0 {
		b.unsupported("a shared " + part)
	}
	return b
}

// readHeader reads the object header of either version, with its continuations.
func (o *Object) readHeader() error {
	const part = "object header"
	b, err := o.f.read(o, part, o.addr, 6)
	if err != nil {
		return err
	}
	var size uint64 // of all messages
	v2 := string(b.data[:4]) == "OHDR"
	creationOrder := false
	if v2 {
		if b.data[4] != 2 {
			return b.unsupported(fmt.Sprintf("object header version %d", b.data[4]))
		}
		flags := b.data[5]
		creationOrder = flags&4 != 0
		sizeBytes := 1 << (flags & 3)
		b.pos = 6
		if flags&0x20 != 0 {
			b.pos += 16 // times
		}
		if flags&0x10 != 0 {
			b.pos += 4 // attribute storage thresholds
		}
		if err := b.more(b.pos + sizeBytes - 6); err != nil {
			return err
		}
		size = b.uint(sizeBytes)
		if size > o.f.size-4 {
			return b.fail("%d bytes of messages in a file of %d", size, o.f.size)
		}
		size += 4 // checksum
	} else {
		b.version(1, 1)
		if b.err != nil {
			return b.err
		}
		if err := b.more(10); err != nil {
			return err
		}
		b.pos = 8
		size = b.uint(4)
		b.pos = 16
	}
	if size > o.f.size {
		return b.fail("%d bytes of messages in a file of %d", size, o.f.size)
	}
	if err := b.more(int(size)); err != nil {
		return err
	}
	next, err := o.readMessages(b, v2, creationOrder, nil)
	for err == nil && len(next) > 0 {
		b, err = o.f.read(o, part+" continuation", next[0].addr, next[0].size)
		if err == nil && v2 {
			b.expect("OCHK")
		}
		if err == nil {
			next, err = o.readMessages(b, v2, creationOrder, next[1:])
		}
	}
	return err
}

// more appends the n bytes that follow the block in the file.
func (b *block) more(n int) error {
	c, err := b.f.read(b.o, b.part, b.addr+uint64(len(b.data)), uint64(n))
	if err != nil {
		return err
	}
	b.allocate(len(b.data) + n)
	b.data = append(b.data, c.data...)
	return b.err
}

type extent struct{ addr, size uint64 }

// readMessages reads the messages of one block of the header and appends continuations to next.
func (o *Object) readMessages(b *block, v2, creationOrder bool, next []extent) ([]extent, error) {
	head, headFields := 8, 5
	if v2 {
		start := b.pos
		b.pos = max(b.pos, len(b.data)-4)
		b.checksum()
		b.data = b.data[:max(start, len(b.data)-4)]
		b.pos = start
		head, headFields = 4, 4
		if creationOrder {
			head = 6
		}
	}
	for b.err == nil && b.left() >= head {
		var m message
		var size int
		if v2 {
			m.kind, size, m.flags = b.u8(), b.u16(), b.u8()
		} else {
			m.kind, size, m.flags = b.u16(), b.u16(), b.u8()
		}
		b.skip(head - headFields)
		m.addr = b.addr + uint64(b.pos)
		m.data = b.take(size)
		if size > 0 {
			b.allocate(messageBytes)
		}
		switch {
		case b.err != nil || size == 0:
		case m.kind == msgContinuation:
			c := &block{f: o.f, o: o, part: b.part, addr: m.addr, data: m.data}
			next = append(next, extent{c.address(), c.length()})
			b.err = c.err
		case m.kind == msgAttribute:
			var a attribute
			if a, b.err = o.readAttribute(m); b.err == nil {
				o.addAttribute(a)
			}
		case m.kind == msgAttributeInfo:
			b.err = o.rejectDense(m, "attribute")
		case m.kind > msgLast && m.flags&flagMustKnow != 0:
			b.unsupported(fmt.Sprintf("a message of kind %#x", m.kind))
		case m.kind <= msgSymbolTable:
			o.messages = append(o.messages, m)
			switch m.kind {
			case msgSymbolTable, msgLinkInfo, msgLink:
				o.groupLike = true
			}
		}
	}
	return next, b.err
}

// rejectDense reads a link or attribute info message and rejects the fractal heap it may refer to.
func (o *Object) rejectDense(m message, what string) error {
	b := o.block(&m, what+" info")
	b.version(0, 0)
	flags := b.u8()
	if flags&1 != 0 {
		b.skip(map[string]int{"link": 8, "attribute": 2}[what]) // highest creation index
	}
	if b.address() != undefined && b.err == nil {
		return b.unsupported("dense " + what + " storage")
	}
	return b.err
}
