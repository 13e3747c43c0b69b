package ordered

type node struct{ previous, next *node }

type Ordered struct {
	values map[string]any
	nodes  map[string]*node
	last   *node
}

func (o *Ordered) Set(key string, value any) {
	if _, ok := o.values[key]; !ok {
		added := &node{previous: o.last}
		o.nodes[key] = added
		o.last = added
	}
	o.values[key] = value
}

func (o *Ordered) Delete(key string) {
	delete(o.values, key)
	delete(o.nodes, key)
}
