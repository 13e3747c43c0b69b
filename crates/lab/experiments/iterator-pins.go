package main

import (
	"reflect"
	"runtime"
)

func init() { register("iterator-pins", iteratorPins) }

func iteratorPins() {
	quiet()
	const n = 200_000
	before := live()
	m := filled(n, n)
	full := change(before, live())
	iterator := reflect.ValueOf(m).MapRange()
	iterator.Next()
	m = nil
	report("share of the map that an iterator keeps", change(before, live())/full, "")
	runtime.KeepAlive(iterator)
	iterator = nil
	report("share left after the iterator's last use", change(before, live())/full, "")

	m = filled(n, n)
	iterator = reflect.ValueOf(m).MapRange()
	for iterator.Next() {
	}
	m = nil
	report("share of the map that an iterator at its end keeps", change(before, live())/full, "")
	runtime.KeepAlive(iterator)
	iterator = nil

	// A map that grows while an iterator stands at its first entry.
	const most = 5 * n
	m = filled(n, n)
	small := change(before, live())
	iterator = reflect.ValueOf(m).MapRange()
	iterator.Next()
	for i := n; i < most; i++ {
		m[key(i)] = i
	}
	with := change(before, live())
	runtime.KeepAlive(iterator)
	iterator = nil
	without := change(before, live())
	report("share of the small map that an iterator keeps when the map has grown", (with-without)/small, "")
	runtime.KeepAlive(m)
}
