using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Fairlead.Net.Linux;

namespace Fairlead.Health.Probes;

/// <summary>
/// One try over a socket that the loop polls: connect, say something, hear something, judge. For the checks that need
/// no library: TCP, plain HTTP/1.1, UDP, DNS and ICMP. Nothing here waits; each step gives a result, or null while
/// there is more to come.
/// </summary>
internal sealed class Exchange : IDisposable
{
    private const int HeardMax = 4096;

    private readonly Check check;
    private readonly Regex? expect;
    private readonly HttpAnswer? http;
    private readonly byte[] opening;
    private readonly KernelSocket socket;
    private readonly bool isRaw;
    private byte[] heard = [];
    private int length;
    private int sent;
    private bool isConnected;

    /// <param name="check">What is asked, and of whom.</param>
    /// <param name="expect">Its pattern.</param>
    /// <param name="request">What HttpAnswer.Request gives for it: the same for every try.</param>
    /// <exception cref="IOException">The kernel gives no socket.</exception>
    public Exchange(Check check, Regex? expect, byte[]? request)
    {
        (this.check, this.expect) = (check, expect);
        if (check.Spec.Kind == CheckKind.Http) http = new HttpAnswer(check.Spec);
        socket = check.Spec.Kind switch
        {
            CheckKind.Tcp or CheckKind.Http => KernelSocket.Tcp(Target.AddressFamily),
            CheckKind.Icmp => KernelSocket.Icmp(Target.AddressFamily, out isRaw),
            _ => KernelSocket.Udp(Target.AddressFamily),
        };
        opening = check.Spec.Kind switch
        {
            CheckKind.Http => request!,
            CheckKind.Dns => DnsProbe.Query(check.Spec),
            CheckKind.Icmp => IcmpEcho.Request(Target.AddressFamily),
            _ => check.Spec.Send is { Length: > 0 } text ? Encoding.Latin1.GetBytes(text) : [],
        };
    }

    public static bool Suits(CheckSpec spec) => spec.Kind is CheckKind.Tcp or CheckKind.Udp or CheckKind.Dns
        or CheckKind.Icmp || spec is { Kind: CheckKind.Http, Version: CheckHttpVersion.Http11 };

    public int Fd => socket.Fd;

    private IPEndPoint Target => check.Target;

    /// <summary>Whether the socket is to be polled for writing: it connects, or its buffer is full.</summary>
    public bool WantsWrite => !isConnected || sent < opening.Length;

    private bool IsStream => check.Spec.Kind is CheckKind.Tcp or CheckKind.Http;

    public ProbeResult? Begin()
    {
        if (check.Spec.SourceOf(Target.AddressFamily) is { } source && socket.Bind(source, 0) is not 0 and int refused)
            return ProbeResult.OursToBlame($"source {source}: {Text(refused)}");
        if (IsStream) socket.ResetOnClose();
        int error = socket.Connect(Target.Address, check.Spec.Kind == CheckKind.Icmp ? 0 : Target.Port);
        if (error == Libc.EINPROGRESS) return null;
        return error == 0 ? Connected() : Failed(error);
    }

    /// <summary>The socket is ready.</summary>
    public ProbeResult? Continue()
    {
        if (!isConnected)
        {
            int error = socket.PendingError();
            return error == 0 ? Connected() : Failed(error);
        }

        return sent < opening.Length ? Say() : Hear();
    }

    public void Dispose() => socket.Dispose();

    private ProbeResult? Connected()
    {
        isConnected = true;
        return Say();
    }

    private ProbeResult? Say()
    {
        while (sent < opening.Length)
        {
            int count = socket.Send(opening.AsSpan(sent));
            if (count == -Libc.EAGAIN) return null;
            if (count < 0) return Failed(-count);
            sent += count;
        }

        // Nobody answers so soon: the poll tells when there is something to hear.
        return check.Spec.Kind == CheckKind.Tcp && expect is null ? ProbeResult.Of(true, "connected") : null;
    }

    private ProbeResult? Hear()
    {
        if (http is not null) return Hear(http);
        if (heard.Length == 0) heard = new byte[HeardMax];
        while (true)
        {
            int count = socket.Receive(heard.AsSpan(length));
            if (count == -Libc.EAGAIN) return null;
            if (count < 0) return Failed(-count);
            if (IsStream) length += count;
            ProbeResult? judged = Judge(heard.AsMemory(0, IsStream ? length : count), isOver: IsStream && count == 0);
            if (judged is { } result) return result with { Heard = heard.AsMemory(0, IsStream ? length : count) };
        }
    }

    private ProbeResult? Hear(HttpAnswer answer)
    {
        Span<byte> some = stackalloc byte[HeardMax];
        while (true)
        {
            int count = socket.Receive(some);
            if (count == -Libc.EAGAIN) return null;
            if (count < 0) return Failed(-count);
            if (count == 0) return answer.Over();
            if (answer.Take(some[..count]) is { } judged) return judged;
        }
    }

    private ProbeResult? Judge(ReadOnlyMemory<byte> all, bool isOver)
    {
        switch (check.Spec.Kind)
        {
            case CheckKind.Dns:
                return DnsProbe.IsAnswerTo(opening, all.Span) ? DnsProbe.Judge(check.Spec, opening, all.Span) : null;
            case CheckKind.Icmp:
                return IcmpEcho.IsReplyTo(opening, all.Span, Target.AddressFamily, isRaw)
                    ? ProbeResult.Of(true, "echo reply")
                    : null;
            case CheckKind.Udp:
                bool fits = expect is null || expect.IsMatch(Encoding.Latin1.GetString(all.Span));
                return ProbeResult.Of(fits, fits
                    ? $"answer of {all.Length} bytes"
                    : $"answer of {all.Length} bytes that does not match \"{expect}\"");
            default:
                if (expect!.IsMatch(Encoding.Latin1.GetString(all.Span)))
                    return ProbeResult.Of(true, $"heard what was expected in {all.Length} bytes");
                if (isOver)
                    return ProbeResult.Of(false, $"closed after {all.Length} bytes without \"{expect}\"");
                return all.Length == HeardMax
                    ? ProbeResult.Of(false, $"no \"{expect}\" in the first {HeardMax} bytes")
                    : null;
        }
    }

    // Out of local ports, memory or privilege: no word about the backend.
    private static ProbeResult Failed(int error) =>
        error is Libc.EADDRNOTAVAIL or Libc.ENOMEM or Libc.ENOBUFS or Libc.EPERM or Libc.EACCES
            ? ProbeResult.OursToBlame(Text(error))
            : ProbeResult.Of(false, Text(error));

    private static string Text(int error) => Marshal.GetPInvokeErrorMessage(error);
}
