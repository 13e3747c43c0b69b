// Package maptrace records what a program does with its maps, for
// `tophash lab replay` to do the same on the maps of any Go release.
//
// A Map takes a map's place:
//
//	recorder := maptrace.New(file)
//	defer recorder.Close()
//
//	sessions := maptrace.Make[string, *Session](recorder, 0)
//	sessions.Set("a", &Session{})
//
// What is written is which operations happen to which key, numbered in the order
// in which keys first appear, and how long keys are that are strings. Neither keys
// nor elems are written. The recorder remembers the number of each key that was
// ever used, which takes as much memory as another map of all of them.
//
// A Recorder may be used by several goroutines; a Map as a map may be.
package maptrace

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
)

// The records, as tophash reads them.
const (
	opMake = iota
	opKey
	opSet
	opGet
	opDelete
	opRange
	opClear
	opDrop
)

// Recorder writes a trace.
type Recorder struct {
	mu   sync.Mutex
	out  *bufio.Writer
	maps uint64
	err  error
}

// New starts a trace. Nothing is certain to be written before Close.
func New(out io.Writer) *Recorder {
	r := &Recorder{out: bufio.NewWriterSize(out, 1<<16)}
	_, r.err = r.out.WriteString("tophash\x01")
	return r
}

// Close writes what is left, and returns the first error there was. It does not
// close the writer.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.out.Flush(); r.err == nil {
		r.err = err
	}
	return r.err
}

func (r *Recorder) record(op byte, text string, numbers ...uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	var buf [1 + 3*binary.MaxVarintLen64]byte
	buf[0] = op
	n := 1
	for _, number := range numbers {
		n += binary.PutUvarint(buf[n:], number)
	}
	if _, r.err = r.out.Write(buf[:n]); r.err == nil {
		_, r.err = r.out.WriteString(text)
	}
}

// Map is a map whose use is recorded.
type Map[K comparable, V any] struct {
	m        map[K]V
	recorder *Recorder
	id       uint64
	keys     map[K]uint64
}

// Make makes a map with room for hint entries.
func Make[K comparable, V any](recorder *Recorder, hint int) *Map[K, V] {
	m := &Map[K, V]{m: make(map[K]V, hint), recorder: recorder, keys: make(map[K]uint64)}
	recorder.mu.Lock()
	recorder.maps++
	m.id = recorder.maps
	recorder.mu.Unlock()
	name := "map[" + spell(reflect.TypeOf(m.m).Key()) + "]" + spell(reflect.TypeOf(m.m).Elem())
	recorder.record(opMake, name, m.id, uint64(hint), uint64(len(name)))
	return m
}

func (m *Map[K, V]) key(key K) uint64 {
	number, ok := m.keys[key]
	if ok {
		return number
	}
	number = uint64(len(m.keys))
	m.keys[key] = number
	if text := reflect.ValueOf(key); text.Kind() == reflect.String {
		m.recorder.record(opKey, "", m.id, number, uint64(text.Len()))
	}
	return number
}

// Set does m[key] = value.
func (m *Map[K, V]) Set(key K, value V) {
	m.recorder.record(opSet, "", m.id, m.key(key))
	m.m[key] = value
}

// Get does value, ok := m[key].
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	m.recorder.record(opGet, "", m.id, m.key(key))
	value, ok = m.m[key]
	return
}

// Delete does delete(m, key).
func (m *Map[K, V]) Delete(key K) {
	m.recorder.record(opDelete, "", m.id, m.key(key))
	delete(m.m, key)
}

// Len is len(m), which is not recorded.
func (m *Map[K, V]) Len() int { return len(m.m) }

// Range calls each for every entry until it returns false. It is recorded as
// ranging over all entries.
func (m *Map[K, V]) Range(each func(K, V) bool) {
	m.recorder.record(opRange, "", m.id)
	for key, value := range m.m {
		if !each(key, value) {
			return
		}
	}
}

// Clear deletes all entries.
func (m *Map[K, V]) Clear() {
	m.recorder.record(opClear, "", m.id)
	for key := range m.m {
		delete(m.m, key)
	}
}

// Drop says that the map is no longer used.
func (m *Map[K, V]) Drop() {
	m.recorder.record(opDrop, "", m.id)
	m.m, m.keys = nil, nil
}

// spell writes a type without names, so that it is understood without the program.
func spell(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Ptr, reflect.UnsafePointer, reflect.Chan:
		return "*byte"
	case reflect.Map:
		return "map[int]int"
	case reflect.Func:
		return "func()"
	case reflect.Slice:
		return "[]byte"
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return "interface{ Method() }"
		}
		return "interface{}"
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), spell(t.Elem()))
	case reflect.Struct:
		var fields []string
		for i := 0; i < t.NumField(); i++ {
			name := t.Field(i).Name
			if name != "_" {
				name = fmt.Sprintf("F%d", i)
			}
			fields = append(fields, name+" "+spell(t.Field(i).Type))
		}
		return "struct{ " + strings.Join(fields, "; ") + " }"
	default:
		return t.Kind().String()
	}
}
