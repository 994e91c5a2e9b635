/* The creation log: whatever is made and freed in whatever order, (run, address) is the order of
   creation. Also compaction, and the epochs of marks. */
#include "arena_check.h"

#define SLOTS ((size_t)MG_PAGE_SLOTS)
#define MOST_LIVE 40000

/* The model: the live nodes, in no particular order. The data of a node is its creation number, and
   its index is where it stands here. */
static mg_node *live[MOST_LIVE];
static size_t live_count;

static void begin(void) {
    numbered_begin();
    live_count = 0;
}

static void make(void) {
    mg_node *node = numbered_leaf();
    set_index(node, live_count);
    live[live_count++] = node;
}

static void drop_at(size_t i) {
    mg_node *node = live[i];
    CHECK_COUNT(index_of(node), i);
    live[i] = live[--live_count];
    set_index(live[i], i);
    drop(node);
}

static void drop_everything(void) {
    while (live_count != 0) {
        drop_at(random_below(live_count));
    }
}

static void check(void) {
    check_arena(live_count);
    for (size_t i = 0; i < live_count; i++) {
        CHECK_COUNT(index_of(live[i]), i);
    }
}

/* One way in which a program makes and drops nodes, for `steps` steps. */
typedef void habit(size_t steps);

static void grow(size_t steps) {
    for (size_t i = 0; i < steps && live_count < MOST_LIVE; i++) {
        make();
    }
}

static void shrink(size_t steps) {
    for (size_t i = 0; i < steps && live_count != 0; i++) {
        drop_at(random_below(live_count));
    }
}

static void replace(size_t steps) {
    for (size_t i = 0; i < steps && live_count != 0; i++) {
        drop_at(random_below(live_count));
        make();
    }
}

/* Nodes that die soon, the newest first, and now and then one that stays. */
static void use_temporaries(size_t steps) {
    size_t base = live_count;
    for (size_t i = 0; i < steps && live_count < MOST_LIVE; i++) {
        make();
        if (random_below(20) == 0) {
            while (live_count > base + 1) {
                drop_at(live_count - 1);
            }
            base += random_below(4) == 0 && live_count > base;
        }
    }
}

/* The lower part of the model holds old nodes, more or less. */
static void forget_the_old(size_t steps) {
    for (size_t i = 0; i < steps && live_count != 0; i++) {
        drop_at(random_below(live_count / 8 + 1));
    }
}

static void forget_almost_all(size_t steps) {
    (void)steps;
    while (live_count > 20) {
        drop_at(random_below(live_count));
    }
}

static void any_pattern_keeps_the_order_of_creation(void) {
    static habit *const habits[] = {grow,
                                    grow,
                                    shrink,
                                    replace,
                                    replace,
                                    use_temporaries,
                                    use_temporaries,
                                    forget_the_old,
                                    forget_almost_all};
    enum { HABITS = sizeof habits / sizeof *habits };
    begin();
    for (int round = 0; round < 300; round++) {
        /* Most steps of a round fit a page, some fill many. */
        size_t most = random_below(4) == 0 ? 20000 : 1500;
        heap.arena.sweeping = random_below(4) == 0;
        habits[random_below(HABITS)](1 + random_below(most));
        if (heap.arena.sweeping == 0 && random_below(4) == 0) {
            mg_arena_compact(&heap.arena);
            CHECK_COUNT(heap.arena.dead_runs, 0);
        }
        check();
    }
    heap.arena.sweeping = 0;
    drop_everything();
    check();
    CHECK_COUNT(heap.arena.run_count - heap.arena.dead_runs, heap.arena.page != NULL);
    heap_end();
}

static void exchange(size_t i, size_t j) {
    mg_node *node = live[i];
    live[i] = live[j];
    live[j] = node;
    set_index(live[i], i);
    set_index(live[j], j);
}

/* Makes two pages of nodes again and again, of which only the newest stays until the next is there,
   and every tenth for good: most runs are dead, in the middle of the log. */
static void leave_dead_runs(size_t rounds) {
    for (size_t round = 0; round < rounds; round++) {
        size_t base = live_count;
        grow(2 * SLOTS);
        exchange(base, live_count - 1);
        while (live_count > base + 1) {
            drop_at(live_count - 1);
        }
        if (round % 10 != 0 && base != 0) {
            drop_at(base - 1);
        }
    }
}

static void compaction_drops_dead_runs_and_keeps_the_order(void) {
    begin();
    heap.arena.sweeping = 1;
    leave_dead_runs(30);
    heap.arena.sweeping = 0;
    uint32_t runs = heap.arena.run_count, dead = heap.arena.dead_runs;
    CHECK(dead > 0);
    check();
    mg_arena_compact(&heap.arena);
    CHECK_COUNT(heap.arena.run_count, runs - dead);
    CHECK_COUNT(heap.arena.dead_runs, 0);
    check();
    /* With nothing dead it changes nothing. */
    mg_arena_compact(&heap.arena);
    CHECK_COUNT(heap.arena.run_count, runs - dead);
    check();
    grow(3 * SLOTS);
    check();
    drop_everything();
    heap_end();
}

static void the_log_stays_short(void) {
    begin();
    for (int i = 0; i < 20; i++) {
        leave_dead_runs(100);
        CHECK(heap.arena.run_count < 2 * live_count + 150);
    }
    check();
    drop_everything();
    heap_end();
}

static void the_log_is_not_compacted_during_a_sweep(void) {
    begin();
    heap.arena.sweeping = 1;
    leave_dead_runs(200);
    CHECK(heap.arena.dead_runs > 300);
    check();
    heap.arena.sweeping = 0;
    grow(2 * SLOTS); /* opens a run */
    CHECK(heap.arena.dead_runs < 10);
    check();
    drop_everything();
    heap_end();
}

static void an_open_run_is_renumbered_while_it_is_filled(void) {
    begin();
    heap.arena.sweeping = 1;
    leave_dead_runs(30);
    heap.arena.sweeping = 0;
    grow(100);
    mg_node *newest = live[live_count - 1];
    uint32_t before = newest->run;
    mg_arena_compact(&heap.arena);
    CHECK(newest->run < before);
    CHECK_COUNT(newest->run, heap.arena.run_count - 1);
    grow(100);
    CHECK_COUNT(live[live_count - 1]->run, newest->run);
    CHECK(live[live_count - 1] == (mg_node *)((char *)newest + 100 * MG_SLOT_BYTES));
    check();
    drop_everything();
    heap_end();
}

static void epochs_never_meet_an_old_mark(void) {
    begin();
    grow(2 * SLOTS);
    for (uint32_t sweep = 1; sweep <= 3 * 65535; sweep++) {
        uint16_t epoch = mg_arena_next_epoch(&heap.arena);
        CHECK_COUNT(epoch, (sweep - 1) % 65535 + 1);
        mg_node *node = live[random_below(live_count)];
        CHECK(node->mark != epoch);
        node->mark = epoch;
        if (epoch == 1) { /* at the start, and when the count has wrapped */
            for (size_t i = 0; i < live_count; i++) {
                CHECK(live[i] == node || live[i]->mark == 0);
            }
        }
    }
    drop_everything();
    heap_end();
}

/* What is seen from outside: nodes marked by sweep 1 come up again in sweep 65,536, whose epoch
 * is 1. */
static void gradients_survive_the_wrap_of_epochs(void) {
    heap_begin();
    mg_node *x = leaf(3.0);
    mg_node *y = binary(MG_OP_mul, x, x);
    mg_node *z = with_constant(MG_OP_mul_vc, y, 2.0);
    mg_node *other = unary(MG_OP_neg, x);
    CHECK_STATUS(mg_graph_backward(&heap, z), MG_OK);
    CHECK_COUNT(y->mark, 1);
    for (int sweep = 2; sweep <= 65535; sweep++) {
        mg_graph_backward(&heap, other);
    }
    CHECK_COUNT(heap.arena.epoch, 65535);
    x->grad = y->grad = 0.0;
    CHECK_STATUS(mg_graph_backward(&heap, z), MG_OK);
    CHECK_COUNT(heap.arena.epoch, 1);
    CHECK_SAME(y->grad, 2.0);
    CHECK_SAME(x->grad, 12.0);
    DROP(other, z, y, x);
    heap_end();
}

int main(void) {
    RUN(any_pattern_keeps_the_order_of_creation);
    RUN(compaction_drops_dead_runs_and_keeps_the_order);
    RUN(the_log_stays_short);
    RUN(the_log_is_not_compacted_during_a_sweep);
    RUN(an_open_run_is_renumbered_while_it_is_filled);
    RUN(epochs_never_meet_an_old_mark);
    RUN(gradients_survive_the_wrap_of_epochs);
    return harness_summary("log");
}
