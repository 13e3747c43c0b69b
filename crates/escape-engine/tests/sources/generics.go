package sources

import (
	"slices"
	"sync/atomic"
)

type number interface{ ~int | ~float64 }

func largest[T number](list []T) T {
	most := list[0]
	for _, n := range list {
		if n > most {
			most = n
		}
	}
	return most
}

func keepFirst[T any](list []T) []T { return list[:1] }

func apply[T, U any](list []T, f func(T) U) []U {
	var out []U
	for _, x := range list {
		out = append(out, f(x))
	}
	return out
}

type stack[T any] struct{ items []T }

func (s *stack[T]) push(x T) { s.items = append(s.items, x) }

func (s *stack[T]) top() T { return s.items[len(s.items)-1] }

func usesGenerics(numbers []int, p *int, names []string) *int {
	_ = largest(numbers)
	_ = keepFirst(names)
	lengths := apply(names, func(s string) int { return len(s) })
	_ = lengths
	var s stack[*int]
	s.push(p)
	return s.top()
}

type config struct{ current atomic.Pointer[node] }

func (c *config) swap(n *node) *node {
	old := c.current.Load()
	c.current.Store(n)
	return old
}

func sorted(list []string, extra []*node) []string {
	slices.Sort(list)
	if i := slices.Index(list, "x"); i >= 0 {
		return slices.Clone(list)
	}
	slices.SortFunc(extra, func(a, b *node) int { return len(a.name) - len(b.name) })
	return list
}
