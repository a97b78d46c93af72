using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;

namespace Fairlead.Health.Probes;

/// <summary>
/// Asks a backend once, beside the loop, for the kinds that lean on libraries. Every failure is a result; only the end
/// of the check itself is thrown on.
/// </summary>
internal sealed class Prober : IDisposable
{
    private readonly TimeProvider time;
    private readonly TlsDoor tls;
    private readonly HttpProbe http;
    private readonly CommandProbe command;

    public Prober(TimeProvider time, string folder)
    {
        this.time = time;
        tls = new TlsDoor(time, folder);
        http = new HttpProbe(tls);
        command = new CommandProbe(folder);
    }

    /// <summary>Null: the time was over.</summary>
    public async Task<ProbeResult?> AskAsync(Check check, CancellationToken stop)
    {
        using var timeout = new CancellationTokenSource(check.Spec.EffectiveTimeout, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop, timeout.Token);
        try
        {
            return check.Spec.Kind switch
            {
                CheckKind.Tls => await tls.ShakeHandsAsync(check, limit.Token),
                CheckKind.Grpc => await GrpcProbe.AskAsync(http, check, limit.Token),
                CheckKind.Command => await command.RunAsync(check, limit.Token),
                _ => await http.GetAsync(check, limit.Token),
            };
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception fault) when (fault is OwnFault or SocketException or HttpRequestException or IOException
            or FormatException or NotSupportedException or AuthenticationException or CryptographicException)
        {
            // The first cause; but what we know to be ours is said in our words.
            Exception cause = fault;
            while (cause is not OwnFault && cause.InnerException is { } inner) cause = inner;
            return cause is OwnFault
                ? ProbeResult.OursToBlame(cause.Message)
                : ProbeResult.Of(false, cause.Message);
        }
    }

    public void Dispose() => http.Dispose();
}

/// <summary>
/// What is wrong is ours, not the backend's: a certificate that cannot be read, a source address not ours.
/// </summary>
internal sealed class OwnFault(string message, Exception? inner = null) : Exception(message, inner);
