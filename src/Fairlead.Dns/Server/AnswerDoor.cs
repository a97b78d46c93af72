using Fairlead.Dns.Answering;
using Fairlead.Net;

namespace Fairlead.Dns.Server;

/// <summary>
/// A door to the Answerer for transports that come from many threads (TLS, HTTPS). One lock guards it: an answer takes
/// a microsecond, and what is encrypted takes a hundred for itself.
/// </summary>
public sealed class AnswerDoor
{
    private readonly Snapshot<DnsTable> table;
    private readonly AnswerGuard guard;
    private readonly TimeProvider time;
    private readonly Lock gate = new();

    internal AnswerDoor(Snapshot<DnsTable> table, AnswerGuard guard, TimeProvider time) =>
        (this.table, this.guard, this.time) = (table, guard, time);

    /// <summary>
    /// Writes the answer into 65535 bytes and gives its length; 0: the message is not a query, and the connection it
    /// came over is out of step.
    /// </summary>
    public int Answer(ReadOnlySpan<byte> query, in Asker asker, Span<byte> response)
    {
        lock (gate)
        {
            guard.At(time.GetUtcNow(), TimeSpan.Zero);
            return guard.Answer(table.Current, query, asker, response);
        }
    }

    /// <summary>The transfer that the query asks for, or null: then it is to be answered.</summary>
    internal IAnswerStream? OpenStream(ReadOnlySpan<byte> query, in Asker asker)
    {
        lock (gate) return guard.OpenStream(query, asker);
    }

    internal int Next(IAnswerStream stream, Span<byte> message)
    {
        lock (gate) return guard.Next(stream, message);
    }

    internal void Count(DnsCounter counter)
    {
        lock (gate) guard.Counters.Add(counter);
    }
}
