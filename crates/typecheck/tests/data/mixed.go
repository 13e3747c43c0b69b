package mixed

import "unsafe"

type Number interface {
	~int | ~float64
}

type List[T any] struct {
	next *List[T]
	elem T
}

func (l *List[T]) Push(elem T) *List[T] { return &List[T]{l, elem} }

func Map[S ~[]E, E, R any](s S, f func(E) R) (out []R) {
	for _, e := range s {
		out = append(out, f(e))
	}
	return
}

type Base struct{ name string }

func (b *Base) Name() string { return b.name }

type Derived struct {
	Base
	*List[int]
	tags map[string][]int
}

const (
	a = iota << 1
	b
	c = len("text") + 'x'
)

var table = [...]struct{ k, v string }{{"a", "b"}, 3: {k: "c"}}

var size = unsafe.Sizeof(Derived{})

func use(d Derived, ch chan func() error) (n int, err error) {
	defer func() { recover() }()
	for i := range 10 {
		n += i
	}
	switch x := any(d).(type) {
	case interface{ Name() string }:
		_ = x.Name()
	case nil, error:
		_ = x
	}
	select {
	case f, ok := <-ch:
		if ok {
			err = f()
		}
	case ch <- nil:
	}
	v, found := d.tags[d.Name()]
	if !found || v == nil {
		d.tags["x"] = Map(v, func(i int) int { return i << n })
	}
	g := (*Base).Name
	_, _ = g(&d.Base), d.Push(1).next.elem
	go func(xs ...int) { print(len(xs), cap(xs[:1:2])) }(v...)
	return min(n, 3.0, a), err
}
