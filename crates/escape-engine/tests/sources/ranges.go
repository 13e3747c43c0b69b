//go:build go1.23

package sources

func count(yield func() bool) { yield() }

func pairs(yield func(int, *int) bool) { yield(1, new(int)) }

func once(p *int) func(func(*int) bool) {
	return func(yield func(*int) bool) { yield(p) }
}

func rangeReturns(f func(func(*int) bool), p *int) (*int, error) {
	for x := range f {
		if x == p {
			return x, nil
		}
	}
	return nil, nil
}

func rangeKnown(p *int) *int {
	seq := func(yield func(*int) bool) { yield(p) }
	for x := range seq {
		return x
	}
	return nil
}

func rangeNested(p *int) (r *int) {
outer:
	for range count {
		for x := range once(p) {
			if x != nil {
				r = x
				continue outer
			}
			defer look(x)
			break outer
		}
	}
	return
}

func rangeAssigns() {
	var a *int
	for a = range once(nil) {
		sink = a
	}
	for i, j := range pairs {
		_ = i
		sink = j
	}
	for i := range 10 {
		sink = &i
	}
}
