using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Fairlead.Bgp.Bfd;

/// <summary>What a node and its BFD process say to each other.</summary>
internal enum BfdWord : byte
{
    // The node's.
    Targets,
    Turn,
    Look,
    End,

    // The process's.
    Ask,
    Change,
    Status,
}

/// <summary>
/// The words on the two pipes between a node (BfdProcess) and its BFD process (BfdWorker), which are one program of one
/// build: what cannot be read is a bug, and throws.
/// <code>
/// length of what follows u32 (little endian) | word u8 | body
/// </code>
/// </summary>
internal sealed class BfdWords
{
    private const int HeaderBytes = 5;
    private static readonly int RejectCount = Enum.GetValues<BfdReject>().Length;

    private byte[] waiting = new byte[4096];
    private int start, end;

    /// <summary>Where the next bytes of the pipe go; tell Take how many came.</summary>
    public Span<byte> Free
    {
        get
        {
            if (start > 0) waiting.AsSpan(start, end - start).CopyTo(waiting);
            (start, end) = (0, end - start);
            if (end == waiting.Length) Array.Resize(ref waiting, end * 2);
            return waiting.AsSpan(end);
        }
    }

    public void Take(int count) => end += count;

    /// <summary>The next word that is there in full.</summary>
    public bool TryNext(out BfdWord word, [NotNullWhen(true)] out BinaryReader? body)
    {
        (word, body) = (default, null);
        if (end - start < HeaderBytes) return false;
        int length = BinaryPrimitives.ReadInt32LittleEndian(waiting.AsSpan(start));
        if (end - start < sizeof(int) + length) return false;
        word = (BfdWord)waiting[start + sizeof(int)];
        body = new BinaryReader(new MemoryStream(waiting, start + HeaderBytes, length - 1, writable: false));
        start += sizeof(int) + length;
        return true;
    }

    public static byte[] Write(BfdWord word, Action<BinaryWriter>? body = null)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(0);
        writer.Write((byte)word);
        body?.Invoke(writer);
        writer.Flush();
        byte[] bytes = stream.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(bytes, bytes.Length - sizeof(int));
        return bytes;
    }

    public static byte[] Write(ImmutableArray<BfdTarget> targets) => Write(BfdWord.Targets, to =>
    {
        to.Write(targets.Length);
        foreach (BfdTarget target in targets)
        {
            to.Write(target.Peer);
            to.Write(target.Address.ToString());
            to.Write(target.Local?.ToString() ?? "");
            to.Write(target.Interface ?? "");
            to.Write(target.Standing?.Mine ?? 0);
            to.Write(target.Standing?.Theirs ?? 0);
            to.Write(target.Options.Interval.Ticks);
            to.Write((byte)target.Options.Multiplier);
            to.Write(target.Options.Strict);
            to.Write(target.Options.Multihop);
            to.Write((byte)target.Options.HopsMax);
        }
    });

    public static ImmutableArray<BfdTarget> ReadTargets(BinaryReader from)
    {
        var targets = new BfdTarget[from.ReadInt32()];
        for (int i = 0; i < targets.Length; i++)
        {
            string peer = from.ReadString(), address = from.ReadString(), local = from.ReadString();
            string device = from.ReadString();
            (uint mine, uint theirs) = (from.ReadUInt32(), from.ReadUInt32());
            var options = new BfdOptions
            {
                Interval = TimeSpan.FromTicks(from.ReadInt64()),
                Multiplier = from.ReadByte(),
                Strict = from.ReadBoolean(),
                Multihop = from.ReadBoolean(),
                HopsMax = from.ReadByte(),
            };
            IPAddress? own = local.Length == 0 ? null : IPAddress.Parse(local);
            targets[i] = new BfdTarget(peer, IPAddress.Parse(address), own, options)
            {
                Interface = device.Length == 0 ? null : device,
                Standing = mine == 0 ? null : new BfdStanding(mine, theirs),
            };
        }

        return [.. targets];
    }

    public static byte[] Write(BfdChange change) => Write(BfdWord.Change, to =>
    {
        to.Write(change.Peer);
        to.Write((byte)change.State);
        to.Write((byte)change.Remote);
        to.Write((byte)change.Diagnostic);
        to.Write(change.Standing?.Mine ?? 0);
        to.Write(change.Standing?.Theirs ?? 0);
    });

    public static BfdChange ReadChange(BinaryReader from)
    {
        var change = new BfdChange(from.ReadString(), (BfdState)from.ReadByte(), (BfdState)from.ReadByte(),
            (BfdDiagnostic)from.ReadByte());
        (uint mine, uint theirs) = (from.ReadUInt32(), from.ReadUInt32());
        return change with { Standing = mine == 0 ? null : new BfdStanding(mine, theirs) };
    }

    public static byte[] Write(ImmutableArray<BfdStatus> sessions) => Write(BfdWord.Status, to =>
    {
        to.Write(sessions.Length);
        foreach (BfdStatus status in sessions)
        {
            to.Write(status.Peer);
            to.Write((byte)status.State);
            to.Write((byte)status.Remote);
            to.Write((byte)status.Diagnostic);
            to.Write(status.Discriminator);
            to.Write(status.RemoteDiscriminator);
            to.Write(status.TransmitInterval.Ticks);
            to.Write(status.DetectionTime.Ticks);
            to.Write(status.Changes);
        }
    });

    public static ImmutableArray<BfdStatus> ReadStatus(BinaryReader from)
    {
        var sessions = new BfdStatus[from.ReadInt32()];
        for (int i = 0; i < sessions.Length; i++)
        {
            sessions[i] = new BfdStatus(
                from.ReadString(), (BfdState)from.ReadByte(), (BfdState)from.ReadByte(), (BfdDiagnostic)from.ReadByte(),
                from.ReadUInt32(), from.ReadUInt32(), TimeSpan.FromTicks(from.ReadInt64()),
                TimeSpan.FromTicks(from.ReadInt64()), from.ReadInt64());
        }

        return [.. sessions];
    }

    /// <summary>
    /// The one word that is said all the time; it is written into the same bytes, and allocates nothing.
    /// </summary>
    public static byte[] NewAsk() =>
        Write(BfdWord.Ask, to => to.Write(new byte[1 + (sizeof(long) * (1 + RejectCount))]));

    public static void WriteAsk(Span<byte> ask, BfdEngine engine)
    {
        Span<byte> body = ask[HeaderBytes..];
        body[0] = (byte)engine.Urgency;
        BinaryPrimitives.WriteInt64LittleEndian(body[1..], engine.WorstLateness.Ticks);
        for (int i = 0; i < RejectCount; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(
                body[(1 + (sizeof(long) * (1 + i)))..], engine.Rejected((BfdReject)i));
        }
    }
}
