package main

import "unsafe"

func init() { register("pointer-bytes", pointerBytes) }

type pointerConfig struct {
	Name    string
	Limit   *int
	Retries int
}

func pointerBytes() {
	report("pointer bytes of int", pointers(0), "bytes")
	report("pointer bytes of string", pointers(""), "bytes")
	report("pointer bytes of []byte", pointers([]byte(nil)), "bytes")
	report("pointer bytes of *int", pointers((*int)(nil)), "bytes")
	report("pointer bytes of chan int", pointers((chan int)(nil)), "bytes")
	report("pointer bytes of func()", pointers((func())(nil)), "bytes")
	report("pointer bytes of map[int]int", pointers((map[int]int)(nil)), "bytes")
	report("pointer bytes of [2]any", pointers([2]any{}), "bytes")
	report("pointer bytes of struct{ string; *int; int }", pointers(pointerConfig{}), "bytes")
	report("size of that", float64(unsafe.Sizeof(pointerConfig{})), "bytes")
}

func pointers(v any) float64 {
	return float64((*peekInterface)(unsafe.Pointer(&v)).ty.pointerBytes)
}
