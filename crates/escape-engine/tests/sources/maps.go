package sources

type key struct{ p *int }

func puts(m map[*int]*int, p, q *int) { m[p] = q }

func looks(m map[string]int, b []byte) int { return m[string(b)] }

func deletes(m map[*int]*int, p *int) { delete(m, p) }

func localMap() int {
	m := make(map[string]int)
	m["a"] = 1
	sized := make(map[string]int, 100)
	sized["b"]++
	lit := map[string][]int{"x": {1}, "y": nil}
	return len(m) + len(sized) + len(lit)
}

func returned(n int) map[int]*int {
	m := make(map[int]*int, n)
	x := n
	m[n] = &x
	return m
}

func boxedKeys(m map[interface{}]interface{}, n int, s string) {
	m[n] = s
	m["constant"] = 1
	_ = m[n]
	if v, ok := m[s]; ok {
		sink = v
	}
	delete(m, n)
}

func nestedMaps(m map[string]map[string]*int, p *int) {
	inner := m["a"]
	if inner == nil {
		inner = map[string]*int{}
		m["a"] = inner
	}
	inner["b"] = p
}

func structKeys(m map[key]bool, p *int) {
	m[key{p}] = true
	k := key{new(int)}
	m[k] = true
	_ = m[key{new(int)}]
}

func cleared(m map[string]*node) {
	for k := range m {
		delete(m, k)
	}
}

type registry struct {
	byName map[string]*node
	byID   map[int]node
}

func (r *registry) add(n *node, id int) {
	r.byName[n.name] = n
	r.byID[id] = *n
	r.byID[id+1] = node{name: n.name}
	if r.byName == nil {
		r.byName = make(map[string]*node)
	}
}

func newRegistry() *registry {
	return &registry{byName: map[string]*node{}, byID: make(map[int]node)}
}
