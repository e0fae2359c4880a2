package cifar

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/lamina-go/lamina/internal/infile"
)

// The values of a pickle are nil, bool, int64, float64 and these. All kinds of strings are text:
// Python 2 wrote keys as bytes, Python 3 writes them as unicode.
type (
	text   []byte
	tuple  []any
	list   struct{ items []any }
	dict   map[string]any // no other keys occur
	global string         // module.name
)

// maxName is the length of the longest text that is copied. Copies of a long one could fill the
// memory.
const maxName = 100

// machine runs the program in a pickle. It knows the opcodes of protocols 0 to 5 that build the
// values above, and none that could run code: see call. Texts are slices of the file. Other values
// take memory from a budget.
type machine struct {
	rest   []byte // of the file
	stack  []any
	marks  []int // indices in the stack
	memo   map[uint64]any
	budget int // bytes that may still be decoded: each of the file once, as UTF-8 of two bytes
	memory *infile.Budget
	err    error // the first
}

// opcodeCost is the memory that an opcode takes at most: a value on a stack that grows, and in a
// list or a memo.
const opcodeCost = 128

// unpickle returns the value of a pickle. Its values take memory from b.
func unpickle(data []byte, b *infile.Budget) (any, error) {
	m := &machine{rest: data, memo: map[uint64]any{}, budget: 2 * len(data), memory: b}
	for {
		op := m.take(1)
		if err := m.memory.Take(opcodeCost); err != nil {
			return nil, err
		}
		if m.err == nil && op[0] == '.' {
			v := m.pop()
			return v, m.err
		}
		if m.err == nil {
			m.do(op[0])
		}
		if m.err != nil {
			return nil, m.err
		}
	}
}

func (m *machine) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf("not a pickle of CIFAR: "+format, args...)
	}
}

// do runs one opcode.
func (m *machine) do(op byte) {
	switch op {
	case 0x80: // PROTO
		if p := m.uint(1); p > 5 {
			m.fail("protocol %d is newer than 5", p)
		}
	case 0x95: // FRAME
		m.take(8)

	case 'N':
		m.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		m.push(op == 0x88)
	case 'J': // BININT
		m.push(int64(int32(m.uint(4))))
	case 'K': // BININT1
		m.push(int64(m.uint(1)))
	case 'M': // BININT2
		m.push(int64(m.uint(2)))
	case 0x8a: // LONG1
		m.long(m.take(m.uint(1)))
	case 'I', 'L':
		m.decimal(m.line())
	case 'G': // BINFLOAT
		if b := m.take(8); b != nil {
			m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
	case 'F':
		v, err := strconv.ParseFloat(string(m.line()), 64)
		if err != nil {
			m.fail("an invalid number")
		}
		m.push(v)

	case 'U', 'C', 0x8c: // SHORT_BINSTRING, SHORT_BINBYTES, SHORT_BINUNICODE
		m.push(text(m.take(m.uint(1))))
	case 'T', 'B', 'X': // BINSTRING, BINBYTES, BINUNICODE
		m.push(text(m.take(m.uint(4))))
	case 0x8d, 0x8e, 0x96: // BINUNICODE8, BINBYTES8, BYTEARRAY8
		m.push(text(m.take(m.uint(8))))
	case 'S':
		m.quoted(m.line())
	case 'V':
		m.unicode(m.line())

	case '(':
		m.marks = append(m.marks, len(m.stack))
	case '0':
		m.pop()
	case '1': // POP_MARK
		m.popMark()
	case '2': // DUP
		v := m.pop()
		m.push(v)
		m.push(v)
	case ')':
		m.push(tuple{})
	case 't':
		m.push(tuple(m.popMark()))
	case 0x85, 0x86, 0x87: // TUPLE1, 2, 3
		m.push(tuple(m.popN(int(op - 0x84))))
	case ']':
		m.push(&list{})
	case 'l':
		m.push(&list{m.popMark()})
	case 'a':
		v := m.pop()
		m.extend([]any{v})
	case 'e':
		m.extend(m.popMark())
	case '}':
		m.push(dict{})
	case 'd':
		items := m.popMark()
		m.push(dict{})
		m.setItems(items)
	case 's':
		m.setItems(m.popN(2))
	case 'u':
		m.setItems(m.popMark())

	case 'p':
		m.put(m.index(m.line()))
	case 'q': // BINPUT
		m.put(m.uint(1))
	case 'r': // LONG_BINPUT
		m.put(m.uint(4))
	case 0x94: // MEMOIZE
		m.put(uint64(len(m.memo)))
	case 'g':
		m.get(m.index(m.line()))
	case 'h': // BINGET
		m.get(m.uint(1))
	case 'j': // LONG_BINGET
		m.get(m.uint(4))

	case 'c', 'i': // GLOBAL, INST (which would also call it)
		module, name := m.line(), m.line()
		m.global(module, name)
		if op == 'i' {
			m.fail("opcode 'i'")
		}
	case 0x93: // STACK_GLOBAL
		name, module := pop[text](m), pop[text](m)
		m.global(module, name)
	case 'R': // REDUCE
		args, function := pop[tuple](m), pop[global](m)
		m.call(function, args)
	case 'b': // BUILD
		state := pop[tuple](m)
		m.build(state)
	default:
		m.fail("opcode %q", op)
	}
}

// take returns the next n bytes.
func (m *machine) take(n uint64) []byte {
	if n > uint64(len(m.rest)) {
		m.fail("it is cut off")
	}
	if m.err != nil {
		return nil
	}
	b := m.rest[:n:n]
	m.rest = m.rest[n:]
	return b
}

// uint returns the next n bytes as a little-endian integer.
func (m *machine) uint(n uint64) uint64 {
	var word [8]byte
	copy(word[:], m.take(n))
	return binary.LittleEndian.Uint64(word[:])
}

// line returns the bytes up to the next end of line.
func (m *machine) line() []byte {
	n := bytes.IndexByte(m.rest, '\n')
	if n < 0 {
		m.fail("it is cut off")
		return nil
	}
	b := m.take(uint64(n) + 1)
	return bytes.TrimSuffix(b[:n], []byte{'\r'})
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

// pop returns the top of the stack, above the last mark.
func (m *machine) pop() any {
	if v := m.popN(1); v != nil {
		return v[0]
	}
	return nil
}

// pop returns the top of the stack, which must be a T.
func pop[T any](m *machine) T {
	v, ok := m.pop().(T)
	if !ok {
		m.fail("a value of the wrong type")
	}
	return v
}

// popN returns the n values on top of the stack, above the last mark.
func (m *machine) popN(n int) []any {
	bottom := 0
	if len(m.marks) > 0 {
		bottom = m.marks[len(m.marks)-1]
	}
	at := len(m.stack) - n
	if at < bottom {
		m.fail("too few values on the stack")
		return nil
	}
	values := slices.Clone(m.stack[at:])
	m.stack = m.stack[:at]
	return values
}

// popMark removes the last mark and returns the values above it.
func (m *machine) popMark() []any {
	last := len(m.marks) - 1
	if last < 0 {
		m.fail("no mark on the stack")
		return nil
	}
	values := m.popN(len(m.stack) - m.marks[last])
	m.marks = m.marks[:last]
	return values
}

// extend appends to the list on top of the stack.
func (m *machine) extend(items []any) {
	if l := pop[*list](m); l != nil {
		l.items = append(l.items, items...)
		m.push(l)
	}
}

// setItems sets keys and values of the dictionary on top of the stack.
func (m *machine) setItems(items []any) {
	d := pop[dict](m)
	if len(items)%2 != 0 {
		m.fail("a key without a value")
	}
	if m.err != nil {
		return
	}
	for i := 0; i < len(items); i += 2 {
		key, ok := items[i].(text)
		if !ok || len(key) > maxName {
			m.fail("a key that is not a short string")
			return
		}
		d[string(key)] = items[i+1]
	}
	m.push(d)
}

func (m *machine) put(i uint64) {
	v := m.pop()
	m.push(v)
	m.memo[i] = v
}

func (m *machine) get(i uint64) {
	v, ok := m.memo[i]
	if !ok {
		m.fail("no value %d was stored", i)
	}
	m.push(v)
}

// index returns the index of a stored value in a line.
func (m *machine) index(line []byte) uint64 {
	n, err := strconv.ParseUint(string(line), 10, 32)
	if err != nil {
		m.fail("an invalid number")
	}
	return n
}

// decimal pushes the integer in a line. 00 and 01 are booleans; an L may follow.
func (m *machine) decimal(line []byte) {
	switch string(line) {
	case "00", "01":
		m.push(line[1] == '1')
		return
	}
	v, err := strconv.ParseInt(string(bytes.TrimSuffix(line, []byte{'L'})), 10, 64)
	if err != nil {
		m.fail("an invalid number")
	}
	m.push(v)
}

// long pushes an integer of at most eight bytes in two's complement.
func (m *machine) long(b []byte) {
	if len(b) > 8 {
		m.fail("a number is too large")
		return
	}
	var v int64
	for i, x := range b {
		v |= int64(x) << (8 * i)
	}
	if n := len(b); n > 0 && n < 8 && b[n-1] >= 0x80 {
		v -= 1 << (8 * n)
	}
	m.push(v)
}

// quoted pushes a string as Python 2 prints it: 'it\'s \x00'.
func (m *machine) quoted(line []byte) {
	n := len(line)
	if n < 2 || line[0] != line[n-1] || line[0] != '\'' && line[0] != '"' {
		m.fail("a string without quotes")
		return
	}
	out := make(text, 0, n)
	for s := string(line[1 : n-1]); s != ""; {
		// Python's repr has the escapes \\ \' \n \r \t \xhh, which are Go's too.
		value, _, tail, err := strconv.UnquoteChar(s, 0)
		if err != nil || value > 0xff {
			if len(s) < 2 || s[0] != '\\' || s[1] != '\'' && s[1] != '"' {
				m.fail("a string with an unknown escape")
				return
			}
			value, tail = rune(s[1]), s[2:]
		}
		out, s = append(out, byte(value)), tail
	}
	m.push(out)
}

// unicode pushes a string that has \uhhhh for characters outside Latin-1.
func (m *machine) unicode(line []byte) {
	out := make(text, 0, len(line))
	for len(line) > 0 {
		if len(line) >= 6 && line[0] == '\\' && line[1] == 'u' {
			r, err := strconv.ParseUint(string(line[2:6]), 16, 16)
			if err != nil {
				m.fail("a string with an unknown escape")
				return
			}
			out, line = utf8.AppendRune(out, rune(r)), line[6:]
			continue
		}
		out, line = utf8.AppendRune(out, rune(line[0])), line[1:]
	}
	m.push(out)
}
