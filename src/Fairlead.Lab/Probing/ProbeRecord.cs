namespace Fairlead.Lab.Probing;

/// <summary>One answer, or its absence. Times are seconds since the probing began.</summary>
/// <param name="At">When it was asked.</param>
/// <param name="Done">When the answer or the failure was there.</param>
/// <param name="Answered">Whether the user was served (after at most one retry).</param>
/// <param name="Retried">The first try was reset before an answer, and asked again at once (RFC 9110 §9.2.2).</param>
/// <param name="Pop">Where it landed; empty when nowhere.</param>
/// <param name="OwnAddress">Whether the backend saw the client's own address; true for DNS.</param>
public readonly record struct ProbeRecord(double At, double Done, bool Answered, bool Retried, string Pop, bool OwnAddress);

/// <summary>What one client has asked with one probe. One writer, many readers.</summary>
public sealed class ProbeLog(string client, string probe)
{
    private readonly List<ProbeRecord> records = [];
    private readonly Lock gate = new();

    public string Client => client;

    public string Probe => probe;

    public void Add(ProbeRecord record)
    {
        lock (gate) records.Add(record);
    }

    /// <summary>What was asked from then on.</summary>
    public List<ProbeRecord> Since(double from)
    {
        lock (gate)
        {
            int first = records.Count;
            while (first > 0 && records[first - 1].At >= from) first--;
            return records.GetRange(first, records.Count - first);
        }
    }
}
