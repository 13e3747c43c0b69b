package sources

import "sort"

var sunk func() int

func capturesByValue(n int, big [17]int64) (func() int, func() int64) {
	small := n * 2
	large := big
	return func() int { return small }, func() int64 { return large[0] }
}

func capturesByReference() int {
	total := 0
	add := func(n int) { total += n }
	add(1)
	add(2)
	return total
}

func assignedBeforeCapture(p *int) func() *int {
	x := p
	x = new(int)
	return func() *int { return x }
}

func assignedAfterCapture() func() int {
	x := 1
	f := func() int { return x }
	x = 2
	return f
}

func calledInPlace(p *int) *int {
	return func(q *int) *int { return q }(p)
}

func calledInPlaceOuter() int {
	var u int
	fn := func() *int { return &u }
	*fn() = 42
	return u
}

func nested() func() func() int {
	a := 1
	return func() func() int {
		b := 2
		return func() int {
			a++
			b++
			return a + b
		}
	}
}

func recursive(n int, p *int) *int {
	var walk func(int) *int
	walk = func(n int) *int {
		if n == 0 {
			return p
		}
		return walk(n - 1)
	}
	return walk(n)
}

func sorts(list []string) {
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
}

func chosen(flip bool, p *int) int {
	f := func(q *int) int { return *q }
	if flip {
		f = func(q *int) int { return *q + 1 }
	}
	return f(p)
}

type counter struct{ n int }

func (c *counter) add(n int) { c.n += n }
func (c counter) get() int   { return c.n }

func methodValues() int {
	c := counter{}
	add := c.add
	add(3)
	get := c.get
	sunk = get
	return get()
}

func methodExpressions(c *counter) int {
	(*counter).add(c, 1)
	f := counter.get
	return f(*c)
}

func inLoops(n int) []func() int {
	var all []func() int
	for i := 0; i < n; i++ {
		all = append(all, func() int { return i })
	}
	for _, v := range []int{1, 2, 3} {
		all = append(all, func() int { return v })
	}
	for i := 0; i < n; i++ {
		func() { _ = i }()
	}
	return all
}

func deferred(p *int, list []*int) {
	defer func() { *p = 1 }()
	defer look(p)
	for _, q := range list {
		defer look(q)
	}
	go look(p)
	go func(q *int) { *q = 2 }(p)
	defer print("x", *p)
	defer panic(p)
}

func look(p *int) int { return *p }

func inNestedLoops(names []string) []func() string {
	var all []func() string
	for _, outer := range names {
		for _, inner := range names {
			all = append(all, func() string { return outer + inner })
		}
		func() { _ = outer }()
	}
	for i := 0; i < len(names); i++ {
		for j := 0; j < i; j++ {
			all = append(all, func() string { return names[i] + names[j] })
		}
	}
	return all
}

func blankResults(p, q *int) (_, _ *int) { return p, q }

const slash = '/'

func runes() { sink = slash }
