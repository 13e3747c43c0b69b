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

// Delete leaves the node, and what it leads to, in the other map.
func (o *Ordered) Delete(key string) {
	delete(o.values, key)
	if found := o.nodes[key]; found != nil && found.next != nil {
		found.next.previous = found.previous
	}
}
