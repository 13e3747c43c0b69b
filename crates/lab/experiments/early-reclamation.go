package main

import (
	"reflect"
	"runtime"
	"time"
)

func init() { register("early-reclamation", earlyReclamation) }

type boxed struct {
	n    int
	name string
}

func earlyReclamation() {
	const n = 150
	ended := make(chan int, 10*n)
	m := make(map[int]*boxed)
	for i := 0; i < n; i++ {
		v := &boxed{i, "value"}
		runtime.SetFinalizer(v, func(v *boxed) { ended <- v.n })
		m[i] = v
	}
	collect := func() {
		for i := 0; i < 4; i++ {
			runtime.GC()
			time.Sleep(2 * time.Millisecond)
		}
	}
	collect()
	report("values reclaimed while the map is in use", float64(len(ended)), "objects")
	damaged := 0
	for i := 0; i < n; i++ {
		if v := m[i]; v.n != i || v.name != "value" {
			damaged++
		}
	}
	report("values damaged while the map is in use", float64(damaged), "objects")
	// Half of the values go while an iterator stands in the map.
	iterator := reflect.ValueOf(m).MapRange()
	iterator.Next()
	for i := 0; i < n/2; i++ {
		delete(m, i)
	}
	collect()
	report("deleted values reclaimed while the map is in use", float64(len(ended)), "objects")
	runtime.KeepAlive(iterator)
	iterator = nil
	runtime.KeepAlive(m)
	m = nil
	collect()
	report("values reclaimed once nothing refers to the map", float64(len(ended)), "objects")

	// Values in an interface: the box goes with the entry.
	ended = make(chan int, 10*n)
	anys := make(map[int]any)
	for i := 0; i < n; i++ {
		v := &boxed{i, "value"}
		runtime.SetFinalizer(v, func(v *boxed) { ended <- v.n })
		anys[i] = v
	}
	for i := 0; i < n; i++ {
		delete(anys, i)
	}
	collect()
	report("deleted interface values reclaimed", float64(len(ended)), "objects")
	runtime.KeepAlive(anys)
}
