package sources

import (
	"fmt"
	"strings"
	"sync/atomic"
)

type node struct {
	next  *node
	value interface{}
	name  string
	list  []int
}

type shape interface {
	area() float64
	grow(by *float64)
}

type square struct{ side float64 }

func (s square) area() float64     { return s.side * s.side }
func (s *square) grow(by *float64) { s.side += *by }

type pair struct{ a, b *int }

type handle struct{ p *int }

var (
	sink   interface{}
	global *node
	table  = map[string]*node{"root": {name: "root"}}
	fixed  = []*node{{name: "a"}, {name: "b", list: []int{1, 2}}}
	made   = make([]int, 8)
	boxed  interface{} = 7
	call   = func() *int { x := 1; return &x }
)

func pointers(p, q *int, pp **int) (r *int, s *int) {
	*pp = p
	r = q
	s = *pp
	return
}

func boxes(n int, s string, h handle, w pair) {
	sink = n
	sink = s
	sink = h
	sink = w
	sink = 5
	sink = "constant"
	fmt.Println(n, s, "text", 3)
	var local interface{} = n
	_ = local
	k := 12
	sink = k
}

func literals(name string) *node {
	a := &node{name: name}
	b := node{next: a, value: 3}
	c := []*node{a, &b}
	d := [2]*node{a, nil}
	e := []node{{name: "x"}, {next: d[0]}}
	f := []*pair{{}, {a: new(int)}}
	_ = e
	_ = f
	return c[0]
}

func sizes(n int) int {
	a := make([]int, 10)
	b := make([]int, n)
	c := make([]int, 0, n)
	d := make([]byte, 1<<16)
	e := make([]byte, 1<<16+1)
	m := 20
	f := make([]int, m)
	g := make([]struct{}, n)
	h := make([]int, len([]int{1, 2, 3}))
	lit := []int{4, 5}
	i := make([]int, len(lit))
	var j [1 << 17]byte
	var k [1<<17 + 1]byte
	o := new([1 << 16]byte)
	p := new([1<<16 + 1]byte)
	return len(a) + len(b) + len(c) + len(d) + len(e) + len(f) + len(g) + len(h) + len(i) + int(j[0]) + int(k[0]) + len(o) + len(p)
}

func strs(s string, b []byte, r []rune, n rune) string {
	x := string(b)
	y := []byte(s)
	z := []rune(s)
	w := string(r) + string(n)
	if len(y) > 3 {
		y[0] = 'a'
	}
	seen := []byte(s)
	for range seen {
	}
	_ = z
	return x + w + s + "tail"
}

func appends(list []*int, p *int, more []*int) []*int {
	local := []int{}
	local = append(local, 1, 2)
	list = append(list, p)
	list = append(list, more...)
	copy(list, more)
	return append([]*int(nil), list...)
}

func interfaces(s *square, by *float64) float64 {
	var sh shape = s
	sh.grow(by)
	return sh.area()
}

func unknown(sh shape, by *float64) { sh.grow(by) }

func asserts(v interface{}) *node {
	if n, ok := v.(*node); ok {
		return n
	}
	switch x := v.(type) {
	case node:
		return &x
	case *pair:
		sink = x.a
	case string, int:
		sink = x
	default:
		_ = x
	}
	return v.(*node)
}

func arrays(p *[4]*int, i int, u uint8) *int {
	var a [256]int
	local := *p
	s := local[:]
	s[0] = p[1]
	_ = a[u]
	return p[i]
}

func (n *node) reset() {
	n.list = n.list[:0]
	n.next = n.next.next
}

func channels(c chan *int, d <-chan *int, p *int) *int {
	c <- p
	select {
	case q := <-d:
		return q
	case q, ok := <-d:
		if ok {
			return q
		}
	case c <- new(int):
	default:
	}
	return <-d
}

func loops(list []*node) (last *node) {
	var outer *int
	for i := 0; i < 3; i++ {
		x := i
		outer = &x
	}
	for _, n := range list {
		last = n
	}
	for key, n := range table {
		if key == "" {
			last = n
		}
	}
again:
	y := 1
	if *outer > 3 {
		outer = &y
		goto again
	}
	return
}

func variadic(list ...*int) *int { return list[0] }

func passes(p *int) {
	variadic()
	variadic(p, new(int))
	variadic([]*int{p}...)
}

func several() (*int, *node, error) { return new(int), &node{}, nil }

func takes() *node {
	_, n, err := several()
	if err != nil {
		sink = err
	}
	return n
}

func chained(p *node) *node { return p.step().step() }

func (n *node) step() *node { return n.next }

func library(b *strings.Builder, p *atomic.Int64, s string) string {
	b.WriteString(s)
	p.Add(1)
	return strings.TrimSpace(strings.Replace(s, "a", "b", -1))
}

func dead(p *int) {
	if false {
		sink = p
	}
	const debug = 0
	switch debug {
	case 1:
		sink = p
	}
}

func assembled(p *int)

//go:noescape
func promised(p *int)

func unnamed(_ *int, _ *int) {}

func uses() {
	x, y, z := 1, 2, 3
	assembled(&x)
	promised(&y)
	unnamed(&z, &z)
}
