using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Fairlead.Bench.Bfd;

/// <summary>
/// Makes another .NET process collect its whole heap, by the runtime's diagnostics port: a trace with the keyword
/// GCHeapCollect begins with a full collection, which the trace then tells of.
/// </summary>
internal static class Collections
{
    private const byte EventPipe = 2, StopTracing = 1, CollectTracing2 = 3;
    private const ulong GcKeyword = 0x1, HeapCollectKeyword = 0x800000;
    private const int GcStart = 1;
    private const string Provider = "Microsoft-Windows-DotNETRuntime";
    private static readonly byte[] Magic = Encoding.ASCII.GetBytes("DOTNET_IPC_V1\0");

    /// <summary>Whether the process has collected.</summary>
    public static bool Force(int process)
    {
        using Socket trace = Connect(process);
        trace.Send(Message(CollectTracing2, body =>
        {
            body.Write(1); // Megabytes of buffer.
            body.Write(1); // The format: NetTrace.
            body.Write(false);
            body.Write(1); // Providers.
            body.Write(GcKeyword | HeapCollectKeyword);
            body.Write(4); // Informational.
            body.Write(Provider.Length + 1);
            body.Write(Encoding.Unicode.GetBytes(Provider + "\0"));
            body.Write(0);
        }));
        byte[] head = new byte[28];
        for (int got = 0; got < head.Length;) got += Read(trace, head.AsSpan(got));
        ulong session = BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(20));
        using (Socket stop = Connect(process))
        {
            stop.Send(Message(StopTracing, body => body.Write(session)));
            var told = new MemoryStream();
            byte[] buffer = new byte[65536];
            for (int read; (read = trace.Receive(buffer)) > 0;) told.Write(buffer.AsSpan(0, read));
            // An event's kind is described where it first comes: its provider, then its number.
            byte[] described = [.. Encoding.Unicode.GetBytes(Provider + "\0"), GcStart, 0, 0, 0];
            return told.ToArray().AsSpan().IndexOf(described) >= 0;
        }
    }

    private static int Read(Socket from, Span<byte> into)
    {
        int read = from.Receive(into);
        return read > 0 ? read : throw new IOException("the runtime has closed its diagnostics port");
    }

    private static Socket Connect(int process)
    {
        string path = Directory.GetFiles("/tmp", $"dotnet-diagnostic-{process}-*-socket").Single();
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 10_000 };
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    // magic 14 octets | size u16 (all of it) | command set u8 | command u8 | zero u16 | body
    private static byte[] Message(byte command, Action<BinaryWriter> body)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Magic);
        writer.Write((ushort)0);
        writer.Write(EventPipe);
        writer.Write(command);
        writer.Write((ushort)0);
        body(writer);
        writer.Flush();
        byte[] message = stream.ToArray();
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(Magic.Length), (ushort)message.Length);
        return message;
    }
}
