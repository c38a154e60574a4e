package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// messageDB is a schema of PostgreSQL; what it offers are functions. Versions begin with 0 there.
type messageDB struct {
	pool *pgxpool.Pool
}

func openMessageDB(url string) *messageDB {
	pool, err := pgxpool.New(context.Background(), url)
	check(err)
	return &messageDB{pool}
}

const write = "SELECT write_message($1, $2, $3, $4::jsonb, $5::jsonb)"

// fill writes many messages in one transaction.
func (m *messageDB) fill(commits []commit) error {
	const together = 1_000
	for len(commits) > 0 {
		some := commits[:min(together, len(commits))]
		commits = commits[len(some):]
		batch := &pgx.Batch{}
		for _, one := range some {
			batch.Queue(write, one.id, one.stream, eventType, text, metadata(one))
		}
		if err := m.pool.SendBatch(context.Background(), batch).Close(); err != nil {
			return err
		}
	}
	return nil
}

func metadata(one commit) string {
	return fmt.Sprintf(`{"correlationId":%q,"causationId":%q}`, one.correlationID, one.id)
}

func (m *messageDB) append(one commit, version uint64) error {
	const expecting = "SELECT write_message($1, $2, $3, $4::jsonb, $5::jsonb, $6)"
	_, err := m.pool.Exec(context.Background(), expecting,
		one.id, one.stream, eventType, text, metadata(one), int64(version)-1)
	return err
}

func (m *messageDB) read(stream string, _ bool) (int, error) {
	const query = "SELECT * FROM get_stream_messages($1, 0, -1)"
	events, _, err := m.messages(query, stream)
	return events, err
}

func (m *messageDB) appendIf(commit, string, uint64) (uint64, bool, error) {
	return 0, false, errNotThere
}

func (m *messageDB) inSession(commit, string, uint64) (uint64, bool, error) {
	return 0, false, errNotThere
}

func (m *messageDB) appendAny(one commit) error {
	_, err := m.pool.Exec(context.Background(), write, one.id, one.stream, eventType, text, metadata(one))
	return err
}

func (m *messageDB) look(string, uint64) (uint64, error) {
	return 0, errNotThere
}

func (m *messageDB) readByTags([]string) (int, error) {
	return 0, errNotThere
}

// readAll reads the only category that there is, in pages.
func (m *messageDB) readAll() (int, error) {
	const query = "SELECT * FROM get_category_messages($1, $2, 10000)"
	all := 0
	for position := int64(1); ; {
		events, last, err := m.messages(query, "bench", position)
		if err != nil || events == 0 {
			return all, err
		}
		all += events
		position = last + 1
	}
}

// messages takes all columns of all rows.
func (m *messageDB) messages(query string, args ...any) (count int, last int64, err error) {
	rows, err := m.pool.Query(context.Background(), query, args...)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, stream, kind, data, metadata string
		var position int64
		var at any
		if err := rows.Scan(&id, &stream, &kind, &position, &last, &data, &metadata, &at); err != nil {
			return 0, 0, err
		}
		count++
	}
	return count, last, rows.Err()
}

// Its subscribers poll, as readAll does.
func (m *messageDB) subscribeAll(int) (int, error) {
	return 0, errNotThere
}

func (m *messageDB) readByCorrelation(string) (int, error) {
	return 0, errNotThere
}

func (m *messageDB) version(stream string) (uint64, error) {
	var version int64
	err := m.pool.QueryRow(context.Background(), "SELECT COALESCE(stream_version($1), -1)", stream).Scan(&version)
	return uint64(version + 1), err
}

func (m *messageDB) follow(func(), func(string)) error {
	return errNotThere
}
