package plantest

import (
	"context"
	"testing"
)

func testAbsent(t *testing.T, h Harness) { h.expect(t, nil) }

func testRoundTrip(t *testing.T, h Harness) {
	h.must(t, all(h.Items, create)...)
	h.expect(t, texts(h.Items))
	h.must(t, remove(h.Items[0]))
	h.expect(t, texts(h.Items[1:]))
	h.must(t, all(h.Items[1:], remove)...)
	h.expect(t, nil)
}

func testUpdate(t *testing.T, h Harness) {
	h.must(t, all(h.Items, create)...)
	h.must(t, update(h.Items[0], h.Other))
	want := texts(h.Items)
	want[h.Items[0].Key] = h.Other
	h.expect(t, want)

	changed := h.Items[0]
	changed.Lines = h.Other
	h.must(t, update(changed, h.Items[0].Lines))
	h.expect(t, texts(h.Items))
}

func testForeign(t *testing.T, h Harness) {
	h.Foreign(t, h.Items[0].Key, h.Other)
	changed := h.Items[0]
	changed.Lines = h.Other
	want := texts(h.Items[:1])
	want[changed.Key] = h.Other
	h.expect(t, want)

	h.must(t, update(changed, h.Items[0].Lines))
	h.expect(t, texts(h.Items[:1]))
}

func testStaleCreate(t *testing.T, h Harness) {
	h.Foreign(t, h.Items[0].Key, h.Other)
	h.stale(t, create(h.Items[0]))
	want := texts(h.Items[:1])
	want[h.Items[0].Key] = h.Other
	h.expect(t, want)
}

func testStaleUpdate(t *testing.T, h Harness) {
	h.must(t, create(h.Items[0]))
	h.Foreign(t, h.Items[0].Key, nil)
	h.stale(t, update(h.Items[0], h.Other))
	h.expect(t, nil)
}

func testStaleDelete(t *testing.T, h Harness) {
	h.must(t, create(h.Items[0]))
	h.Foreign(t, h.Items[0].Key, nil)
	h.Foreign(t, h.Items[0].Key, h.Other)
	h.stale(t, remove(h.Items[0]))
	want := texts(h.Items[:1])
	want[h.Items[0].Key] = h.Other
	h.expect(t, want)
}

func testStaleBatch(t *testing.T, h Harness) {
	last := h.Items[len(h.Items)-1]
	h.must(t, create(last))
	batch := all(h.Items[:len(h.Items)-1], create)
	h.stale(t, append(batch, create(last))...)
	want := texts(h.Items[len(h.Items)-1:])
	h.expect(t, want)
}

func testCancelled(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(deadline(t))
	cancel()
	if err := h.apply(t, ctx, all(h.Items, create)...); err == nil {
		t.Error("Apply under a cancelled context returned nil")
	}
	h.expect(t, nil)
}

func testRenew(t *testing.T, h Harness) {
	h.must(t, all(h.Items, create)...)
	renewal := update(h.Items[0], h.Items[0].Lines)
	renewal.Renew = true
	h.must(t, renewal)
	h.expect(t, texts(h.Items))
}
